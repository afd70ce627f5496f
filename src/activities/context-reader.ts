import type { Client } from '@temporalio/client';
import type { ContextSeen } from '../protocol/context';
import { AppError } from '../protocol/failures';
import { LIMITS } from '../protocol/limits';
import type { PreviousOutput } from '../protocol/run';
import { isUndecodable } from '../protocol/undecodable';
import { workflowIdOf } from '../core/ids';

/** How long a run's workflow may take to answer: a worker that froze with its task is given up by then. */
const ANSWER_TIMEOUT_MS = 15_000;

/** Reads one global key of a run's shared context out of the run workflow. */
export type ContextReader = (runId: string, key: string) => Promise<ContextSeen | undefined>;

/**
 * Queries the run workflow, one query in flight per run: the server buffers a single one behind a busy workflow. Whatever is
 * asked meanwhile goes with the next one, and no answer is older than its question. Throws TEMPORAL_UNAVAILABLE and INTERNAL.
 */
export function createContextReader(client: Client, timeoutMs: number = ANSWER_TIMEOUT_MS): ContextReader {
  const runs = new Map<string, RunReader>();
  return (runId, key) => {
    const ask = async (keys: readonly string[]): Promise<readonly (ContextSeen | null)[]> => {
      const answer = await answerOf<unknown>(client, { runId, query: 'contextEntries', of: keys, timeoutMs });
      if (Array.isArray(answer) && answer.length === keys.length && answer.every(isEntry)) return answer;
      throw new AppError('INTERNAL', "The run's workflow answered with something that is no context");
    };
    const reader = runs.get(runId) ?? new RunReader(ask, () => runs.delete(runId));
    runs.set(runId, reader);
    return reader.read(key);
  };
}

function isEntry(value: unknown): value is ContextSeen | null {
  return value === null || (typeof value === 'object' && 'value' in value && 'version' in value);
}

/** Whoever reads one run's context in this process. */
class RunReader {
  private readonly next = new Map<string, ((answer: Promise<ContextSeen | undefined>) => void)[]>();
  private asking = false;

  constructor(
    private readonly ask: (keys: readonly string[]) => Promise<readonly (ContextSeen | null)[]>,
    private readonly idle: () => void,
  ) {}

  read(key: string): Promise<ContextSeen | undefined> {
    return new Promise((resolve) => {
      this.next.set(key, [...(this.next.get(key) ?? []), resolve]);
      if (!this.asking) void this.askAll();
    });
  }

  private async askAll(): Promise<void> {
    this.asking = true;
    while (this.next.size > 0) {
      const keys = [...this.next.keys()].slice(0, LIMITS.contextWritesPerBatch);
      const waiting = keys.map((key) => this.next.get(key) ?? []);
      for (const key of keys) this.next.delete(key);
      const answers = this.ask(keys);
      for (const [index, resolves] of waiting.entries())
        for (const resolve of resolves) resolve(answers.then((all) => all[index] ?? undefined));
      await answers.catch(() => undefined);
    }
    this.asking = false;
    this.idle();
  }
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
  readonly query: 'contextEntries' | 'previous';
  readonly of: string | readonly string[];
  readonly timeoutMs: number;
}

const ASKED_FOR = { contextEntries: "The run's context", previous: 'What came before the agent' } as const;

async function answerOf<T>(client: Client, { runId, query, of, timeoutMs }: Question): Promise<T> {
  const answer = await client
    .withDeadline(Date.now() + timeoutMs, () =>
      client.workflow.getHandle(workflowIdOf(runId)).query<T, [Question['of']]>(query, of),
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
