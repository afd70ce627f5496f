import type { PoolClient } from 'pg';
import type { z } from 'zod';
import { knownRun, parseStored } from '../answers';
import { OpenBusAnswer } from '../answers-messages';
import { encode } from '../encode';

const OPEN = 'select ensemble.open_bus($1::uuid, $2::jsonb) as answer';

/** Locks a run's bus until the transaction ends, without a look at anybody who sends. Throws RUN_UNKNOWN. */
export async function lockBus(
  client: PoolClient,
  { tenantId, runId }: { readonly tenantId: string; readonly runId: string },
): Promise<Extract<z.infer<typeof OpenBusAnswer>, { outcome: 'open' }>> {
  const opening = { runId, publishers: [], agentRuns: [], busy: false };
  const { rows } = await client.query<{ answer: unknown }>(OPEN, [tenantId, encode(opening)]);
  return knownRun(parseStored(OpenBusAnswer, rows[0]?.answer), runId);
}
