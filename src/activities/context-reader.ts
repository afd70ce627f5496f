import type { Client } from '@temporalio/client';
import { AppError } from '../protocol/failures';
import type { Value } from '../protocol/json';
import type { PreviousOutput } from '../protocol/run';
import { isUndecodable } from '../protocol/undecodable';
import { workflowIdOf } from '../core/ids';

/** How long a run's workflow may take to answer: a worker that froze with its task is given up by then. */
const ANSWER_TIMEOUT_MS = 15_000;

/** Reads one global key of a run's shared context out of the run workflow. */
export type ContextReader = (runId: string, key: string) => Promise<Value | undefined>;

type Context = Readonly<Record<string, Value>>;

/**
 * Queries the run workflow, one query in flight per run: the server buffers a single one behind a busy workflow. Asks for
 * single keys, since a context may hold more than one answer. Throws TEMPORAL_UNAVAILABLE and INTERNAL.
 */
export function createContextReader(client: Client, timeoutMs: number = ANSWER_TIMEOUT_MS): ContextReader {
  const asked = new Map<string, Promise<Value | undefined>>();
  const last = new Map<string, Promise<unknown>>();
  const ask = async (runId: string, key: string): Promise<Value | undefined> => {
    const question = { runId, query: 'context', of: key, timeoutMs } as const;
    const answer = await answerOf<Context>(client, question);
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

/** Asks the run workflow what came before the agent at an address. */
export type PreviousReader = (runId: string, address: string) => Promise<readonly PreviousOutput[]>;

/** Throws TEMPORAL_UNAVAILABLE and INTERNAL. */
export function createPreviousReader(client: Client): PreviousReader {
  return async (runId, address) => {
    const question = { runId, query: 'previous', of: address, timeoutMs: ANSWER_TIMEOUT_MS } as const;
    const answer = await answerOf<readonly PreviousOutput[]>(client, question);
    if (Array.isArray(answer)) return answer;
    throw new AppError('INTERNAL', "The run's workflow answered with something that is no list of outputs");
  };
}

interface Question {
  readonly runId: string;
  readonly query: 'context' | 'previous';
  readonly of: string;
  readonly timeoutMs: number;
}

const ASKED_FOR = { context: "The run's context", previous: 'What came before the agent' } as const;

async function answerOf<T>(client: Client, { runId, query, of, timeoutMs }: Question): Promise<T> {
  const answer = await client
    .withDeadline(Date.now() + timeoutMs, () =>
      client.workflow.getHandle(workflowIdOf(runId)).query<T, [string]>(query, of),
    )
    .catch((cause: unknown) => {
      throw unanswered(ASKED_FOR[query], cause);
    });
  if (isUndecodable(answer))
    throw new AppError('INTERNAL', `${ASKED_FOR[query]} cannot be decoded: ${answer.undecodable}`);
  return answer;
}

/** Whatever kept the answer away, another attempt may get it: the next one asks another worker, or a server that is back. */
function unanswered(what: string, cause: unknown): AppError {
  const { message, cause: inner } = cause instanceof Error ? cause : new Error(String(cause));
  const why = inner instanceof Error ? inner.message : message;
  return new AppError('TEMPORAL_UNAVAILABLE', `${what} cannot be read: ${why}`, { cause });
}
