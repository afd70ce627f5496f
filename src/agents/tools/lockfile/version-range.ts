/** Half-open interval of release versions, each encoded as one number. */
interface Interval {
  readonly from: number;
  readonly below: number;
}

/** A set of release versions: sorted, disjoint intervals. */
export type VersionSet = readonly Interval[];

/** Numbers of a version stay below this, so that three of them fit one safe integer. */
const BASE = 100_000;
const EVERYTHING: Interval = { from: 0, below: BASE ** 3 };
const NUMBER = String.raw`(?:\d{1,5}|[xX*])`;
const PARTIAL = new RegExp(
  String.raw`^v?(${NUMBER})(?:\.(${NUMBER})(?:\.(${NUMBER})(-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?)?)?$`,
);
const OPERATOR = /^(\^|~>|~|>=|<=|>|<|=)?(.*)$/;

interface Partial3 {
  readonly parts: readonly [number, number, number];
  /** How many numbers were written before the first wildcard. */
  readonly given: number;
  readonly prerelease: boolean;
}

/**
 * Reads a range as npm does, for release versions; null where it is not one.
 * Prereleases are left out: no Node.js version a project runs on is one.
 */
export function parseRange(range: string): VersionSet | null {
  const sets = range.split('||').map(parseAll);
  const known = sets.filter((set): set is Interval => set !== null);
  return known.length === sets.length ? normalise(known) : null;
}

/** Whether this version (such as 20.19.0) lies in the set; null where it is not a version. */
export function includesVersion(set: VersionSet, version: string): boolean | null {
  const partial = parsePartial(version.trim());
  if (partial === null || partial.given < 3 || partial.prerelease) return null;
  const at = encode(partial.parts);
  return set.some(({ from, below }) => from <= at && at < below);
}

/** Whether every version of the first set is in the second. */
export function isSubset(inner: VersionSet, outer: VersionSet): boolean {
  return inner.every((one) => outer.some(({ from, below }) => from <= one.from && one.below <= below));
}

/** All comparators of one alternative must hold, so their intervals intersect. */
function parseAll(text: string): Interval | null {
  const hyphen = /^\s*(\S+)\s+-\s+(\S+)\s*$/.exec(text);
  if (hyphen !== null) return intersect([compare('>=', hyphen[1] ?? ''), compare('<=', hyphen[2] ?? '')]);
  const comparators = text
    .replaceAll(/(\^|~>|~|>=|<=|>|<|=)\s+/g, '$1')
    .split(/\s+/)
    .filter((part) => part !== '');
  return intersect(
    comparators.map((part) => {
      const [, operator = '', version = ''] = OPERATOR.exec(part) ?? [];
      return compare(operator, version);
    }),
  );
}

function intersect(intervals: readonly (Interval | null)[]): Interval | null {
  let result = EVERYTHING;
  for (const one of intervals) {
    if (one === null) return null;
    result = { from: Math.max(result.from, one.from), below: Math.min(result.below, one.below) };
  }
  return result;
}

function compare(operator: string, text: string): Interval | null {
  const version = parsePartial(text);
  if (version === null) return text === '' && operator !== '' ? EVERYTHING : null;
  const from = encode(version.parts);
  const { given, prerelease } = version;
  // 1.2 stands for 1.2.0 up to 1.3.0; a full version for itself alone, a prerelease for no release.
  const next = prerelease ? from : bump(version, given - 1);
  switch (operator) {
    case '>=':
      return { from, below: EVERYTHING.below };
    case '>':
      return given === 0 ? { from: 0, below: 0 } : { from: next, below: EVERYTHING.below };
    case '<':
      return { from: 0, below: from };
    case '<=':
      return { from: 0, below: next };
    case '~':
    case '~>':
      return { from, below: bump(version, Math.min(given - 1, 1)) };
    case '^':
      return { from, below: bump(version, caretDigit(version)) };
    default:
      return { from, below: next };
  }
}

/** ^ keeps the leftmost number that is not zero. */
function caretDigit({ parts, given }: Partial3): number {
  const first = parts.findIndex((part, at) => part !== 0 && at < given);
  return first < 0 ? given - 1 : first;
}

/** The first version after all those that agree up to this number; everything where no number was given. */
function bump({ parts, given }: Partial3, digit: number): number {
  if (given === 0) return EVERYTHING.below;
  const kept = parts.map((part, at) => (at < digit ? part : at === digit ? part + 1 : 0));
  return encode([kept[0] ?? 0, kept[1] ?? 0, kept[2] ?? 0]);
}

function parsePartial(text: string): Partial3 | null {
  const match = PARTIAL.exec(text);
  if (match === null) return null;
  const written = [match[1], match[2], match[3]];
  const wildcard = written.findIndex((part) => part === undefined || /[xX*]/.test(part));
  const given = wildcard < 0 ? 3 : wildcard;
  const [major = 0, minor = 0, patch = 0] = written.slice(0, given).map(Number);
  return { parts: [major, minor, patch], given, prerelease: match[4] !== undefined && given === 3 };
}

function encode([major, minor, patch]: Partial3['parts']): number {
  return (major * BASE + minor) * BASE + patch;
}

function normalise(intervals: readonly Interval[]): VersionSet {
  const merged: Interval[] = [];
  for (const one of [...intervals].sort((a, b) => a.from - b.from)) {
    if (one.from >= one.below) continue;
    const last = merged.at(-1);
    if (last === undefined || last.below < one.from) merged.push(one);
    else merged[merged.length - 1] = { from: last.from, below: Math.max(last.below, one.below) };
  }
  return merged;
}
