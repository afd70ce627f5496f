import type { Client } from '@temporalio/client';
import type { Value } from '../protocol/json';
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
