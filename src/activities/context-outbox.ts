import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, WorkflowUpdateFailedError } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import type { ContextBatch, NumberedWrite, WriteAnswer } from '../protocol/context';
import { AppError, isFailureCode } from '../protocol/failures';
import { LIMITS } from '../protocol/limits';
import type { FactsByBlob } from '../protocol/run';
import { workflowIdOf } from '../core/ids';

/** How long a run's workflow may take to answer one batch; then it is sent again, since the same number is one write. */
const ANSWER_TIMEOUT_MS = 10_000;
const TRIES = 4;
/** Pause before it is sent again, times the number of tries. */
const PAUSE_MS = 250;

/** What one agent has to send: writes in their order, answered together. */
export interface Sending {
  readonly runId: string;
  readonly writes: readonly NumberedWrite[];
  readonly facts?: FactsByBlob;
  readonly recall?: boolean;
}

interface Queued extends Sending {
  readonly resolve: (answers: readonly WriteAnswer[]) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Takes context writes to their runs while agents work: one update in flight for each run, since more than ten at once
 * collapse, and what comes meanwhile goes together in the next.
 */
export class ContextOutbox {
  private readonly queues = new Map<string, Queued[]>();
  private readonly listeners = new Map<string, Set<() => void>>();

  constructor(private readonly client: Client) {}

  /** Throws TEMPORAL_UNAVAILABLE where nobody answers: whether the writes were made is asked by sending them again. */
  send(sending: Sending): Promise<readonly WriteAnswer[]> {
    return new Promise((resolve, reject) => {
      const { runId } = sending;
      const queue = this.queues.get(runId);
      const queued: Queued = { ...sending, resolve, reject };
      if (queue !== undefined) return void queue.push(queued);
      this.queues.set(runId, [queued]);
      void this.sendAll(runId);
    });
  }

  /** Resolves after so long, or once this process has changed the run's context. Rejects with the signal. */
  async changed(runId: string, timeoutMs: number, signal: AbortSignal): Promise<void> {
    const heard = new AbortController();
    const listeners = this.listeners.get(runId) ?? new Set();
    const listener = (): void => heard.abort();
    this.listeners.set(runId, listeners.add(listener));
    try {
      await sleep(timeoutMs, undefined, { signal: AbortSignal.any([heard.signal, signal]) });
    } catch (error) {
      if (!heard.signal.aborted || signal.aborted) throw error;
    } finally {
      listeners.delete(listener);
      if (listeners.size === 0) this.listeners.delete(runId);
    }
  }

  private async sendAll(runId: string): Promise<void> {
    // Those that begin at the same moment go together.
    await Promise.resolve();
    const queue = this.queues.get(runId) ?? [];
    while (queue.length > 0) await this.deliver(runId, nextBatch(queue));
    this.queues.delete(runId);
  }

  private async deliver(runId: string, batch: readonly Queued[]): Promise<void> {
    try {
      const facts: FactsByBlob = Object.assign({}, ...batch.map((one) => one.facts ?? {}));
      const answers = await this.update(runId, {
        writes: batch.flatMap(({ writes }) => writes),
        ...(Object.keys(facts).length === 0 ? {} : { facts }),
        ...(batch.some(({ recall }) => recall === true) ? { recall: true } : {}),
      });
      let from = 0;
      for (const { writes, resolve } of batch) {
        resolve(answers.slice(from, from + writes.length));
        from += writes.length;
      }
      for (const tell of this.listeners.get(runId) ?? []) tell();
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  }

  private async update(runId: string, batch: ContextBatch): Promise<readonly WriteAnswer[]> {
    const updateId = crypto.randomUUID();
    const handle = this.client.workflow.getHandle(workflowIdOf(runId));
    for (let tries = 1; ; tries += 1) {
      try {
        const answers = await this.client.withDeadline(Date.now() + ANSWER_TIMEOUT_MS, () =>
          handle.executeUpdate<readonly WriteAnswer[], [ContextBatch]>('ensemble.context', {
            args: [batch],
            updateId: `${updateId}-${tries}`,
          }),
        );
        if (Array.isArray(answers) && answers.length === batch.writes.length) return answers;
        throw new AppError('INTERNAL', "The run's workflow answered context writes with something else");
      } catch (error) {
        const failure = failureOf(error);
        if (failure.code !== 'TEMPORAL_UNAVAILABLE' || tries === TRIES) throw failure;
      }
      await sleep(tries * PAUSE_MS);
    }
  }
}

/** As many as one batch takes; the first always goes. */
function nextBatch(queue: Queued[]): readonly Queued[] {
  const batch: Queued[] = [];
  let room: number = LIMITS.contextWritesPerBatch;
  for (let next = queue[0]; next !== undefined; next = queue[0]) {
    room -= next.writes.length;
    if (room < 0 && batch.length > 0) break;
    batch.push(next);
    queue.shift();
  }
  return batch;
}

/** A run that refuses the batch says why; whatever else goes wrong on the way may be over in a moment. */
function failureOf(error: unknown): AppError {
  if (AppError.is(error)) return error;
  const cause = error instanceof WorkflowUpdateFailedError ? error.cause : undefined;
  if (cause instanceof ApplicationFailure && isFailureCode(cause.type))
    return new AppError(cause.type, cause.message, { cause: error });
  const words = error instanceof Error ? error.message : String(error);
  return new AppError('TEMPORAL_UNAVAILABLE', `The run does not answer context writes: ${words}`, {
    cause: error,
  });
}
