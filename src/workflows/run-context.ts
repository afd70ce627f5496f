import type { ContextBatch, ContextWrite, WriteAnswer } from '../protocol/context';
import type { Value } from '../protocol/json';
import { LIMITS } from '../protocol/limits';
import { ContextBook } from '../core/context/book';
import { ContextLanes, type Untold, versionIn } from '../core/context/lanes';
import { mergeNamed, mergeNames } from '../core/context/merges';
import { checkBatch } from './check-context';
import { fail } from './failure';
import type { RunState } from './run-state';

/** Longest list of keys that an event names, in characters. */
const KEYS_CHARS = 500;
/** Refused writes that one event names. */
const REFUSALS = 20;

interface At {
  readonly address: string;
  readonly agent: string;
}

/** `turn`: of an agent that lay down; absent with its result. */
interface TurnAt extends At {
  readonly turn?: number;
}

/** The run's shared context: what turns and agents at work do to it, who waits for what, and what the story tells. */
export class RunContext {
  readonly book: ContextBook;
  private readonly lanes: ContextLanes;
  private readonly waiting = new Map<string, Set<() => void>>();
  /** Batches taken in this workflow. */
  private batches = 0;

  constructor(private readonly run: RunState) {
    const { task, runId, plan } = run.input;
    this.book = new ContextBook(plan.context);
    this.lanes = new ContextLanes(this.book);
    for (const [key, { merge }] of Object.entries(plan.context ?? {}))
      if (mergeNamed(merge) === undefined)
        fail(
          'PLAN_INVALID',
          `Context key "${key}" wants the merge "${merge}"; there are ${mergeNames().join(', ')}`,
        );
    this.book.put('task', task, 'run');
    this.book.put('run_id', { inline: runId }, 'run');
    this.book.put('status', { inline: run.status }, 'run');
  }

  put(key: string, value: Value, author: string): void {
    this.book.put(key, value, author);
    this.changed(key);
  }

  /** Everything that a completed turn wrote, in the workflow task that sees it. What does not fit is refused, and told. */
  applyTurn({ address, agent, turn }: TurnAt, writes: readonly ContextWrite[]): void {
    if (writes.length === 0) return;
    const answers = writes.map((write) => this.book.write(write, agent));
    const keys = writes.map(({ key }) => key);
    const versions = answers.map(versionIn);
    const at = turn === undefined ? { address, agent } : { address, agent, part: `turn-${turn}` };
    const of = turn === undefined ? {} : { turn };
    this.run.note('context.changed', at, { keys: shown(keys), count: keys.length, versions, ...of });
    this.tellRefusals(at, keys, answers);
    for (const key of new Set(keys)) this.changed(key);
  }

  /** `written`: how many writes of earlier turns left at once. */
  begins(address: string, agent: string, written = 0): void {
    this.lanes.begins(address, { agent, written });
  }

  ends(address: string): void {
    const untold = this.lanes.ends(address);
    if (untold !== undefined) this.tell(untold);
  }

  /** What agents at work wrote becomes part of the story. */
  tellWrites(): void {
    for (const untold of this.lanes.untold()) this.tell(untold);
  }

  /** Before a batch is taken: one that is refused here leaves no trace. */
  validate(batch: unknown): void {
    checkBatch(batch);
    if (this.batches >= LIMITS.contextBatches)
      fail(
        'CONTEXT_LIMIT',
        `The run has taken ${this.batches} batches of context writes since it last continued as new; the limit is ` +
          `${LIMITS.contextBatches} (contextBatches): write with the completion of turns`,
      );
  }

  accept(batch: ContextBatch): readonly WriteAnswer[] {
    this.batches += 1;
    this.run.learn(batch.facts);
    const keys = new Set<string>();
    const answers = this.lanes.accept(batch, (key) => keys.add(key));
    for (const key of keys) this.changed(key);
    return answers;
  }

  /** Calls `look` whenever a key has changed, until the answer is called. */
  watch(key: string, look: () => void): () => void {
    const watchers = this.waiting.get(key) ?? new Set();
    this.waiting.set(key, watchers.add(look));
    return () => {
      watchers.delete(look);
      if (watchers.size === 0 && this.waiting.get(key) === watchers) this.waiting.delete(key);
    };
  }

  private changed(key: string): void {
    for (const look of this.waiting.get(key) ?? []) look();
  }

  private tell({ address, agent, from, versions }: Untold): void {
    const part = `once-${from}`;
    this.run.note(
      'context.changed',
      { address, agent, part },
      { count: versions.length, from, versions: [...versions] },
    );
  }

  private tellRefusals(
    at: At & { readonly part?: string },
    keys: readonly string[],
    answers: readonly WriteAnswer[],
  ): void {
    const refused = answers.flatMap((answer, index) =>
      'refused' in answer ? [{ code: answer.refused, message: answer.message, key: keys[index] ?? '' }] : [],
    );
    if (refused.length > 0)
      this.run.note('context.refused', at, { count: refused.length, refused: refused.slice(0, REFUSALS) });
  }
}

/** An event rides in activity inputs: it names the first keys, and no more of them than a line holds. */
function shown(keys: readonly string[]): string[] {
  let chars = 0;
  return keys.filter((key) => (chars += key.length) <= KEYS_CHARS);
}
