import type { Client } from '@temporalio/client';
import type { Value } from '../protocol/json';
import type { PreviousOutput } from '../protocol/run';
import { workflowIdOf } from '../core/ids';

/** Reads one global key of a run's shared context out of the run workflow. */
export type ContextReader = (runId: string, key: string) => Promise<Value | undefined>;

/** Queries the run workflow, one query in flight per run: the server buffers a single one behind a busy workflow. */
export function createContextReader(client: Client): ContextReader {
  const inFlight = new Map<string, Promise<Record<string, Value>>>();
  const readAll = (runId: string): Promise<Record<string, Value>> => {
    const running = inFlight.get(runId);
    if (running !== undefined) return running;
    const query = client.workflow
      .getHandle(workflowIdOf(runId))
      .query<Record<string, Value>>('context')
      .finally(() => inFlight.delete(runId));
    inFlight.set(runId, query);
    return query;
  };
  return async (runId, key) => (await readAll(runId))[key];
}

/** Asks the run workflow what came before the agent at an address. */
export type PreviousReader = (runId: string, address: string) => Promise<readonly PreviousOutput[]>;

export function createPreviousReader(client: Client): PreviousReader {
  return (runId, address) =>
    client.workflow
      .getHandle(workflowIdOf(runId))
      .query<readonly PreviousOutput[], [string]>('previous', address);
}
