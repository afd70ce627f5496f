import type { ExecuteAgentInput, SettleAgentInput } from '../protocol/run';

/**
 * Most of the activity inputs that one workflow task schedules, in characters of JSON: three bytes each at the worst, and the
 * server takes no completion above 4 MB. Such a task would be tried for ever.
 */
const CHARS_PER_TASK = 1024 * 1024;
/** Keys, ids, numbers and addresses of one input, together. */
const SMALL_PARTS_CHARS = 2_048;

/** A key, its quotes and commas; or a number. */
const AROUND_CHARS = 32;

type Input = ExecuteAgentInput | SettleAgentInput;

/**
 * How a part is estimated: `small` not at all, a `value` as a whole, of a `list` or a `record` what is in it, since they are put
 * together for one input. A field that the protocol gains does not compile until it has its own.
 */
type Extent = 'small' | 'value' | 'list' | 'record';
const EXTENTS: Readonly<Record<keyof ExecuteAgentInput | keyof SettleAgentInput, Extent>> = {
  tenantId: 'small',
  projectId: 'small',
  runId: 'small',
  address: 'small',
  turn: 'small',
  agent: 'value',
  task: 'value',
  runInput: 'value',
  stepInput: 'value',
  item: 'value',
  index: 'small',
  previous: 'list',
  earlier: 'small',
  inlineBytes: 'small',
  factsWanted: 'record',
  maxAttempts: 'small',
  attemptsBefore: 'small',
  ends: 'small',
  next: 'small',
  events: 'list',
  contextRules: 'value',
  status: 'small',
  failure: 'value',
};
const LARGE = Object.entries(EXTENTS).filter(([, extent]) => extent !== 'small');

/**
 * Which inputs one workflow task may schedule. It counts exactly, but only where an estimate does not do, for which what many
 * inputs share is measured once.
 */
export class TaskBudget {
  private readonly measured = new WeakMap<object, number>();
  private task = -1;
  /** At most so many characters are scheduled; of these inputs it is only an estimate. */
  private scheduled = 0;
  private estimated: { readonly input: Input; readonly chars: number }[] = [];

  /** Whether the task may schedule this input as well; then it counts. The first always may. Inputs may not change afterwards. */
  admits(task: number, input: Input): boolean {
    if (task !== this.task) {
      this.task = task;
      this.scheduled = 0;
      this.estimated = [];
    }
    const chars = this.estimate(input);
    if (this.scheduled > 0 && this.scheduled + chars > CHARS_PER_TASK) return this.admitsExactly(input);
    this.scheduled += chars;
    this.estimated.push({ input, chars });
    return true;
  }

  private admitsExactly(input: Input): boolean {
    for (const { input: earlier, chars } of this.estimated) this.scheduled += charsOf(earlier) - chars;
    this.estimated = [];
    const chars = charsOf(input);
    if (this.scheduled + chars > CHARS_PER_TASK) return false;
    this.scheduled += chars;
    return true;
  }

  private estimate(input: Input): number {
    const parts = input as unknown as Readonly<Record<string, unknown>>;
    let chars = SMALL_PARTS_CHARS;
    for (const [key, extent] of LARGE) {
      const part = parts[key];
      if (typeof part !== 'object' || part === null || extent === 'value') chars += this.atMost(part);
      else if (Array.isArray(part)) for (const entry of part) chars += this.atMost(entry);
      else for (const name in part) chars += this.atMost((part as Readonly<Record<string, unknown>>)[name]);
    }
    return chars;
  }

  /** Never less than there is, with what stands around it: an escaped character has six. */
  private atMost(part: unknown): number {
    if (typeof part === 'string') return AROUND_CHARS + 6 * part.length;
    if (typeof part !== 'object' || part === null) return AROUND_CHARS;
    return AROUND_CHARS + (this.measured.get(part) ?? this.measure(part));
  }

  private measure(part: object): number {
    const chars = charsOf(part);
    this.measured.set(part, chars);
    return chars;
  }
}

function charsOf(value: object): number {
  return JSON.stringify(value).length;
}
