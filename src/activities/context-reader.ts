import type { Client } from '@temporalio/client';
import { AppError } from '../protocol/failures';
import type { Value } from '../protocol/json';
import type { PreviousOutput } from '../protocol/run';
import { isUndecodable } from '../protocol/undecodable';
import { workflowIdOf } from '../core/ids';

/** Reads one global key of a run's shared context out of the run workflow. */
export type ContextReader = (runId: string, key: string) => Promise<Value | undefined>;

/** How long a run's workflow may take to answer: a worker that froze with its task is given up by then. */
const ANSWER_TIMEOUT_MS = 15_000;

type Context = Readonly<Record<string, Value>>;

/**
 * Queries the run workflow, one query in flight per run: the server buffers a single one behind a busy workflow. Asks for
 * single keys, since a context may hold more than one answer. Throws TEMPORAL_UNAVAILABLE and INTERNAL.
 */
export function createContextReader(client: Client, timeoutMs: number = ANSWER_TIMEOUT_MS): ContextReader {
  const asked = new Map<string, Promise<Value | undefined>>();
  const last = new Map<string, Promise<unknown>>();
  const ask = async (runId: string, key: string): Promise<Value | undefined> => {
    const deadline = Date.now() + timeoutMs;
    const answer = await client
      .withDeadline(deadline, () =>
        client.workflow.getHandle(workflowIdOf(runId)).query<Context, [string]>('context', key),
      )
      .catch((cause: unknown) => {
        throw unanswered(cause);
      });
    if (isUndecodable(answer))
      throw new AppError('INTERNAL', `The run's context cannot be decoded: ${answer.undecodable}`);
    if (typeof answer !== 'object' || answer === null)
      throw new AppError('INTERNAL', "The run's workflow answered with something that is no context");
    return Object.hasOwn(answer, key) ? answer[key] : undefined;
  };
  return (runId, key) => {
    const question = `${runId} ${key}`;
    const known = asked.get(question);
    if (known !== undefined) return known;
    const before = last.get(runId) ?? Promise.resolve();
    const answer = before.then(() => ask(runId, key)).finally(() => asked.delete(question));
    asked.set(question, answer);
    const settled = answer.then(
      () => undefined,
      () => undefined,
    );
    last.set(runId, settled);
    void settled.then(() => {
      if (last.get(runId) === settled) last.delete(runId);
    });
    return answer;
  };
}

/** Whatever kept the answer away, another attempt may get it: the next one asks another worker, or a server that is back. */
function unanswered(cause: unknown): AppError {
  const { message, cause: inner } = cause instanceof Error ? cause : new Error(String(cause));
  const why = inner instanceof Error ? inner.message : message;
  return new AppError('TEMPORAL_UNAVAILABLE', `The run's context cannot be read: ${why}`, { cause });
}

/** Asks the run workflow what came before the agent at an address. */
export type PreviousReader = (runId: string, address: string) => Promise<readonly PreviousOutput[]>;

export function createPreviousReader(client: Client): PreviousReader {
  return (runId, address) =>
    client.workflow
      .getHandle(workflowIdOf(runId))
      .query<readonly PreviousOutput[], [string]>('previous', address);
}
