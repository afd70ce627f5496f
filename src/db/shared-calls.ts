import { setTimeout as sleep } from 'node:timers/promises';

/** A call of one function of schema `ensemble`, its body as JSON text. */
export interface SharedCall<N extends string = string> {
  readonly name: N;
  readonly runId: string;
  readonly body: string;
}

/** Carries out calls of one tenant in one statement; resolves to their answers in the calls' order. */
export type SendCalls<N extends string> = (
  tenantId: string,
  calls: readonly SharedCall<N>[],
) => Promise<readonly unknown[]>;

interface Waiting<N extends string> extends SharedCall<N> {
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: unknown) => void;
}

interface Queue<N extends string> {
  busy: boolean;
  readonly waiting: Waiting<N>[];
}

/** What waits behind them waits for one commit more. */
const MOST_CALLS = 50;
/**
 * Where a run made several calls at once, how long the next statement waits for more of them, ms: their agents end as they
 * began, one soon after the other. Each statement locks the run's row, is committed and answered as a whole.
 */
const GATHERS_MS = 10;
/** So many do not wait any longer. */
const ENOUGH_CALLS = MOST_CALLS / 2;
/** Larger bodies would hold up what is beside them; `tooLarge` says which. */
const MOST_CHARS = 64 * 1024;

/**
 * Has one statement of a tenant under way at a time; calls that come meanwhile share the next, and so its way, its commit
 * and its lock on the run's row. A statement that fails fails all its calls: they are then made one by one, by the caller.
 */
export class SharedCalls<N extends string> {
  private readonly queues = new Map<string, Queue<N>>();

  constructor(private readonly send: SendCalls<N>) {}

  static tooLarge(body: string): boolean {
    return body.length > MOST_CHARS;
  }

  call(tenantId: string, call: SharedCall<N>): Promise<unknown> {
    const queue = this.queues.get(tenantId) ?? { busy: false, waiting: [] };
    this.queues.set(tenantId, queue);
    return new Promise((resolve, reject) => {
      queue.waiting.push({ ...call, resolve, reject });
      if (queue.busy) return;
      queue.busy = true;
      // What the same turn of the event loop brings goes along.
      setImmediate(() => void this.sendAll(tenantId, queue));
    });
  }

  private async sendAll(tenantId: string, queue: Queue<N>): Promise<void> {
    for (let calls = next(queue); calls.length > 0; calls = next(queue)) {
      try {
        const answers = await this.send(tenantId, calls);
        for (const [index, { resolve }] of calls.entries()) resolve(answers[index]);
      } catch (error) {
        for (const { reject } of calls) reject(error);
      }
      if (areOfFanOut(calls) && queue.waiting.length < ENOUGH_CALLS) await sleep(GATHERS_MS);
    }
    this.queues.delete(tenantId);
  }
}

/** Whether some run made more than one of them. They are in the order of runs. */
function areOfFanOut(calls: readonly { readonly runId: string }[]): boolean {
  return calls.some(({ runId }, index) => runId === calls[index + 1]?.runId);
}

/** By run: two processes that lock several runs' rows do it in one order. */
function next<N extends string>({ waiting }: Queue<N>): readonly Waiting<N>[] {
  let chars = 0;
  const fitting = waiting.findIndex(({ body }) => (chars += body.length) > MOST_CHARS);
  const calls = waiting.splice(0, Math.min(MOST_CALLS, fitting === -1 ? waiting.length : fitting));
  return calls.toSorted((a, b) => (a.runId < b.runId ? -1 : a.runId > b.runId ? 1 : 0));
}
