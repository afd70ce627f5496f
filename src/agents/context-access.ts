import { combined } from '../core/context/book';
import { contextKeyProblem } from '../core/context/keys';
import { canonical, mergeNamed } from '../core/context/merges';
import { PendingWrites } from '../core/context/pending';
import { holds } from '../core/predicate';
import { isDeeperThan, unstorable } from '../core/text';
import type { ContextChange, ContextRules, ContextSeen } from '../protocol/context';
import { AppError } from '../protocol/failures';
import type { Json, Value } from '../protocol/json';
import { LIMITS } from '../protocol/limits';
import type { Predicate } from '../protocol/predicate';
import { type Rests, staysFor } from './long-wait';
import type {
  ContextReading,
  HistoryOptions,
  PrivateContext,
  SharedContext,
  WatchOptions,
  WriteOptions,
} from './shared-context';

/** A write that leaves at once, its value not yet stored. */
export type DraftWrite =
  | { readonly op: 'merge' | 'append'; readonly key: string; readonly value: Json }
  | { readonly op: 'compare-and-set'; readonly key: string; readonly version: number; readonly value: Json };

/** Where a context is kept, as one attempt of one agent sees it. */
export interface ContextPort {
  readonly agent: string;
  readonly rules: ContextRules;
  readonly signal: AbortSignal;
  /** Throws ATTEMPT_FENCED once the turn is over. */
  assertOpen(): void;
  /** As this agent run last saw it before a write that an earlier attempt made; `now`: as it is. */
  seen(key: string, now?: boolean): Promise<ContextSeen | undefined>;
  load(value: Value): Promise<Json>;
  /** Answers the new version; throws what it was refused with. */
  leave(write: DraftWrite): Promise<number>;
  history(key: string, page: Required<HistoryOptions>): Promise<readonly ContextChange[]>;
  /** Of the turn; absent where it cannot end before its agent does. */
  readonly rests?: Rests | undefined;
  /** Resolves after so long, or earlier where this process knows of a change. Rejects with the signal. */
  changed(timeoutMs: number): Promise<void>;
  privateSeen(key: string): Promise<Value | undefined>;
  privateHistory(key: string, page: Required<HistoryOptions>): Promise<readonly ContextChange[]>;
}

/** What a turn leaves behind. */
export interface TurnWrites {
  readonly shared: PendingWrites;
  readonly private: PendingWrites;
}

export function turnWrites(rules: ContextRules = {}): TurnWrites {
  return { shared: new PendingWrites(rules), private: new PendingWrites(rules) };
}

const FIRST_LOOK_MS = 50;
const LOOK_EVERY_MS = 1_000;
const UPDATE_TRIES = 1_000;

/** The shared context as an agent gets it. */
export function contextAccess(port: ContextPort, writes: TurnWrites): SharedContext {
  const shared = new Namespace(port, writes.shared, async (key) => (await port.seen(key))?.value);
  const own = new Namespace(port, writes.private, (key) => port.privateSeen(key));
  const privately: PrivateContext = {
    ...own.access(),
    history: (key, options) => historyOf(port, options, (page) => port.privateHistory(key, page)),
  };
  const access: SharedContext = {
    ...shared.access(),
    merge: async (key, value, options = {}) => added(port, shared, { op: 'merge', key, value, options }),
    append: async (key, value, options = {}) => added(port, shared, { op: 'append', key, value, options }),
    read: (key) => readingOf(port, key),
    compareAndSet: async (key, version, value) => {
      if (!Number.isInteger(version) || version < 0)
        throw new AppError('INPUT_INVALID', `compareAndSet wants a version, a whole number from 0`);
      checkWrite(port, key, value);
      return port.leave({ op: 'compare-and-set', key, version, value });
    },
    update: (key, change) => updated(access, key, change),
    history: (key, options) => historyOf(port, options, (page) => port.history(key, page)),
    watch: (key, where, options) => watched(port, key, { where, ...options }),
    private: (agent = port.agent) => {
      if (agent === port.agent) return privately;
      throw new AppError('CONTEXT_FORBIDDEN', `What ${agent} keeps to itself is not for ${port.agent}`);
    },
  };
  return access;
}

interface Addition {
  readonly op: 'merge' | 'append';
  readonly key: string;
  readonly value: Json;
  readonly options: WriteOptions;
}

async function added(
  port: ContextPort,
  shared: Namespace,
  { op, key, value, options }: Addition,
): Promise<void> {
  if (options.now !== true) return shared.add({ op, key, value });
  checkWrite(port, key, value);
  await port.leave({ op, key, value });
}

/** One namespace as a turn sees it: what is there, and over it what the turn has yet to write. */
class Namespace {
  constructor(
    private readonly port: ContextPort,
    private readonly writes: PendingWrites,
    private readonly base: (key: string) => Promise<Value | undefined>,
  ) {}

  access(): Omit<PrivateContext, 'history'> {
    return {
      get: (key) => this.get(key),
      set: (key, value) => this.keep({ op: 'set', key, value }),
      delete: (key) => this.keep({ op: 'delete', key, value: null }),
      merge: (key, value) => this.add({ op: 'merge', key, value }),
      append: (key, value) => this.add({ op: 'append', key, value }),
    };
  }

  async get(key: string): Promise<Json | undefined> {
    this.port.assertOpen();
    if (!this.writes.needsBase(key)) return this.writes.over(key, undefined);
    const value = await this.base(key);
    const base = value === undefined ? undefined : await this.port.load(value);
    return this.writes.has(key) ? this.writes.over(key, base) : base;
  }

  /** Merges and appends are refused here already where they cannot fit: later nobody could be told. */
  async add(write: {
    readonly op: 'merge' | 'append';
    readonly key: string;
    readonly value: Json;
  }): Promise<void> {
    checkWrite(this.port, write.key, write.value);
    const { rules } = this.port;
    const rule = write.op === 'append' ? 'append' : (rules[write.key]?.merge ?? 'last');
    if (rule === 'last') return this.keep({ op: 'set', key: write.key, value: write.value });
    // Merges that only the run knows are left to it.
    if (mergeNamed(rule) !== undefined) {
      const current = await this.current(write.key);
      const outcome = combined({ ...write, value: { inline: write.value } }, current, rules);
      if ('refused' in outcome) throw new AppError(outcome.refused, outcome.message);
    }
    this.keep(write);
  }

  private async current(key: string): Promise<Value | undefined> {
    const base = this.writes.needsBase(key) ? await this.base(key) : undefined;
    if (!this.writes.has(key) || (base !== undefined && !('inline' in base))) return base;
    const inline = this.writes.over(key, base?.inline);
    return inline === undefined ? undefined : { inline };
  }

  private keep(write: {
    readonly op: 'set' | 'delete' | 'merge' | 'append';
    readonly key: string;
    readonly value: Json;
  }): void {
    checkKey(this.port, write.key);
    const grows = write.op === 'merge' || write.op === 'append' || !this.writes.has(write.key);
    if (grows && this.writes.size >= LIMITS.contextKeys)
      throw new AppError('INPUT_TOO_LARGE', `One turn may set ${LIMITS.contextKeys} context keys`);
    this.writes.add(write);
  }
}

async function readingOf(port: ContextPort, key: string, now = false): Promise<ContextReading | undefined> {
  port.assertOpen();
  const seen = await port.seen(key, now);
  return seen && { ...seen, value: await port.load(seen.value) };
}

/** Reads and sets until nobody comes between. */
async function updated(
  access: SharedContext,
  key: string,
  change: (value: Json | undefined) => Json,
): Promise<Json> {
  for (let tries = 1; ; tries += 1) {
    const reading = await access.read(key);
    const value = change(reading?.value);
    try {
      await access.compareAndSet(key, reading?.version ?? 0, value);
      return value;
    } catch (error) {
      if (!AppError.is(error) || error.code !== 'CONTEXT_CONFLICT' || tries === UPDATE_TRIES) throw error;
    }
  }
}

/** Looks again and again, sooner where this process hears of a change, so that nothing has to remember who waits. */
async function watched(
  port: ContextPort,
  key: string,
  { where, timeoutMs, ...long }: WatchOptions & { readonly where: Predicate },
): Promise<ContextReading | undefined> {
  const waitKey = canonical({ watch: key, where } as Json);
  const rests = long.checkpoint === undefined ? undefined : port.rests;
  const { untilMs } = rests?.begin(waitKey, timeoutMs) ?? { untilMs: Date.now() + timeoutMs };
  const staysUntilMs = Date.now() + staysFor(long, Math.max(0, untilMs - Date.now()));
  for (let pause = FIRST_LOOK_MS; ; pause = Math.min(2 * pause, LOOK_EVERY_MS)) {
    const reading = await readingOf(port, key, pause > FIRST_LOOK_MS);
    if (reading !== undefined && holds(where, reading.value)) return reading;
    const left = staysUntilMs - Date.now();
    if (left > 0) await port.changed(Math.min(pause, left));
    else if (untilMs <= Date.now() || long.checkpoint === undefined || rests === undefined) return undefined;
    else
      await rests.lieDown({
        checkpoint: long.checkpoint,
        untilMs,
        waitsFor: { for: 'context', key, where, version: reading?.version ?? 0 },
        wokenBy: long.wokenBy ?? 'members',
        wait: { key: waitKey },
      });
  }
}

async function historyOf(
  port: ContextPort,
  { after = 0, limit = LIMITS.contextHistoryPage }: HistoryOptions = {},
  read: (page: Required<HistoryOptions>) => Promise<readonly ContextChange[]>,
): Promise<readonly ContextChange[]> {
  port.assertOpen();
  return read({ after, limit: Math.max(1, Math.min(limit, LIMITS.contextHistoryPage)) });
}

function checkKey(port: ContextPort, key: string): void {
  port.assertOpen();
  const problem = contextKeyProblem(key);
  if (problem !== undefined) throw new AppError('INPUT_INVALID', problem);
}

/** What leaves at once, or is merged, is looked at before anything is done with it. */
function checkWrite(port: ContextPort, key: string, value: Json): void {
  checkKey(port, key);
  if (isDeeperThan(value, LIMITS.valueDepth))
    throw new AppError(
      'INPUT_TOO_LARGE',
      `Context key ${JSON.stringify(key)} is nested deeper than ${LIMITS.valueDepth} levels (valueDepth): flatten it`,
    );
  // Typed as JSON, but agents are anybody's code: `undefined` has no text.
  const text: string | undefined = JSON.stringify(value);
  const problem = text === undefined ? 'no JSON' : (unstorable(JSON.stringify(key)) ?? unstorable(text));
  if (problem !== undefined)
    throw new AppError('AGENT_OUTPUT_INVALID', `Context key ${JSON.stringify(key)} holds ${problem}`);
}
