import type { JsonObject } from '../../../protocol/json';
import { type LockEntry, memberOf } from './entry';
import { type LicenceClass, classOfLicenceId } from './licence-classes';

/** What a lock entry says about its licence. */
export interface LicenceFact {
  /** The expression as written; null where the lock has none. */
  readonly expression: string | null;
  readonly class: LicenceClass;
  /** Why the class is unknown; null where it is known. */
  readonly unknownBecause: 'absent' | 'not-an-expression' | 'in-a-file' | 'not-classified' | null;
}

/** From least to most that is asked of whoever ships the package. */
const RANK: Readonly<Record<Exclude<LicenceClass, 'unknown'>, number>> = {
  permissive: 0,
  'weak-copyleft': 1,
  'strong-copyleft': 2,
  restricted: 3,
};
const MAX_EXPRESSION_TOKENS = 200;

/** Reads the entry's licence; what is not an SPDX expression is unknown, whatever it looks like. */
export function licenceOf(entry: LockEntry): LicenceFact {
  const expression = textOf(entry);
  if (expression === null) return unknown(null, 'absent');
  if (/^SEE LICEN[CS]E IN\b/i.test(expression)) return unknown(expression, 'in-a-file');
  const found = classOfExpression(expression);
  if (found === null) return unknown(expression, 'not-an-expression');
  return found === 'unknown'
    ? unknown(expression, 'not-classified')
    : { expression, class: found, unknownBecause: null };
}

/** Class of an SPDX expression: the choice of an OR is ours, every part of an AND binds; null where it is none. */
export function classOfExpression(expression: string): LicenceClass | null {
  const tokens = expression.match(/[()]|[^\s()]+/g) ?? [];
  if (tokens.length > MAX_EXPRESSION_TOKENS) return null;
  const state = { tokens, at: 0 };
  const found = readOr(state);
  return state.at === tokens.length ? found : null;
}

function unknown(expression: string | null, unknownBecause: LicenceFact['unknownBecause']): LicenceFact {
  return { expression, class: 'unknown', unknownBecause };
}

/** npm writes a string; older files hold the `{type, url}` object of older manifests. */
function textOf(entry: LockEntry): string | null {
  const said = memberOf(entry, 'license');
  if (typeof said === 'string') return said.trim() === '' ? null : said.trim();
  if (typeof said !== 'object' || said === null || Array.isArray(said)) return null;
  const type = (said as JsonObject)['type'];
  return typeof type === 'string' ? type : null;
}

interface State {
  readonly tokens: readonly string[];
  at: number;
}

function readOr(state: State): LicenceClass | null {
  return readChain(state, { word: 'OR', next: readAnd, join: choose });
}

function readAnd(state: State): LicenceClass | null {
  return readChain(state, { word: 'AND', next: readOne, join: bind });
}

interface Chain {
  readonly word: string;
  next(state: State): LicenceClass | null;
  join(a: LicenceClass, b: LicenceClass): LicenceClass;
}

function readChain(state: State, chain: Chain): LicenceClass | null {
  let result = chain.next(state);
  while (result !== null && state.tokens[state.at]?.toUpperCase() === chain.word) {
    state.at++;
    const right = chain.next(state);
    result = right === null ? null : chain.join(result, right);
  }
  return result;
}

function readOne(state: State): LicenceClass | null {
  const token = state.tokens[state.at++];
  if (token === '(') {
    const inner = readOr(state);
    return state.tokens[state.at++] === ')' ? inner : null;
  }
  if (token === undefined || !/^[A-Za-z0-9][A-Za-z0-9.:-]*\+?$/.test(token)) return null;
  if (/^(?:AND|OR|WITH)$/i.test(token)) return null;
  const found = classOfLicenceId(token);
  if (state.tokens[state.at]?.toUpperCase() !== 'WITH') return found;
  state.at++;
  const exception = state.tokens[state.at++];
  if (exception === undefined || !/^[A-Za-z0-9.-]+$/.test(exception)) return null;
  // An exception permits linking, which is what separates weak from strong copyleft.
  return found === 'strong-copyleft' ? 'weak-copyleft' : found;
}

function choose(a: LicenceClass, b: LicenceClass): LicenceClass {
  if (a === 'unknown') return b;
  if (b === 'unknown') return a;
  return RANK[a] <= RANK[b] ? a : b;
}

function bind(a: LicenceClass, b: LicenceClass): LicenceClass {
  // An unknown part may ask for anything; only a part that already asks for much says enough by itself.
  if (a === 'unknown' || b === 'unknown') {
    const known = a === 'unknown' ? b : a;
    return known !== 'unknown' && RANK[known] >= RANK['strong-copyleft'] ? known : 'unknown';
  }
  return RANK[a] >= RANK[b] ? a : b;
}
