import { setTimeout as sleep } from 'node:timers/promises';
import type { ContextChange, ContextRules, ImmediateWrite } from '../../protocol/context';
import { AppError } from '../../protocol/failures';
import type { Json, Value } from '../../protocol/json';
import { ContextBook } from '../../core/context/book';
import {
  contextAccess,
  type ContextPort,
  type DraftWrite,
  type TurnWrites,
  turnWrites,
} from '../context-access';
import type { HistoryOptions, SharedContext } from '../shared-context';

/** Under this name an agent that is tested has keys of its own. */
const AGENT = 'agent';
const RUN = 'run';

export interface MemorySharedContext {
  readonly access: SharedContext;
  /** What the keys that the turn takes with it would hold. */
  written(): ReadonlyMap<string, Json>;
}

interface Given {
  /** Keys that are set already. */
  readonly before: Readonly<Record<string, Json>>;
  readonly rules: ContextRules;
  readonly signal: AbortSignal;
}

/** A shared context in memory, by the rules of the real one: what leaves at once is applied at once, the rest never. */
export function memorySharedContext(given: Given): MemorySharedContext {
  const writes = turnWrites(given.rules);
  const port = new MemoryPort(given);
  return { access: contextAccess(port, writes), written: () => port.after(writes) };
}

class MemoryPort implements ContextPort {
  readonly agent = AGENT;
  readonly rules: ContextRules;
  readonly signal: AbortSignal;
  private readonly book: ContextBook;
  private readonly changes: ContextChange[] = [];

  constructor({ before, rules, signal }: Given) {
    this.rules = rules;
    this.signal = signal;
    this.book = new ContextBook(rules);
    for (const [key, json] of Object.entries(before)) this.book.put(key, { inline: json }, RUN);
  }

  after({ shared }: TurnWrites): ReadonlyMap<string, Json> {
    const keys = [...new Set(shared.list().map(({ key }) => key))];
    return new Map(
      keys.flatMap((key) => {
        const value = this.book.seen(key)?.value;
        const after = shared.over(key, value !== undefined && 'inline' in value ? value.inline : undefined);
        return after === undefined ? [] : [[key, asStored(after)] as const];
      }),
    );
  }

  assertOpen(): void {}

  async seen(key: string) {
    return this.book.seen(key);
  }

  async load(value: Value): Promise<Json> {
    if ('inline' in value) return asStored(value.inline);
    throw new AppError('INPUT_UNREADABLE', 'There is no such stored value');
  }

  async leave(draft: DraftWrite): Promise<number> {
    const value = asStored(draft.value);
    const write: ImmediateWrite = { ...draft, value: { inline: value } };
    const answer = this.book.write(write, AGENT);
    if ('refused' in answer) throw new AppError(answer.refused, answer.message);
    const { op, key } = draft;
    const { version } = answer;
    const cause = { address: '0', at: 'once' } as const;
    this.changes.push({ key, version, op, value, author: AGENT, cause, at: new Date().toISOString() });
    return version;
  }

  async history(key: string, { after, limit }: Required<HistoryOptions>): Promise<readonly ContextChange[]> {
    return this.changes.filter((change) => change.key === key && change.version > after).slice(0, limit);
  }

  async changed(timeoutMs: number): Promise<void> {
    await sleep(timeoutMs, undefined, { signal: this.signal });
  }

  async privateSeen(): Promise<undefined> {}

  async privateHistory(): Promise<readonly ContextChange[]> {
    return [];
  }
}

/** What is stored is a copy: what an agent changes afterwards must not show. */
export function asStored(value: Json): Json {
  return JSON.parse(JSON.stringify(value)) as Json;
}
