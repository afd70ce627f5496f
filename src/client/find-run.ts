import { AppError } from '../protocol/failures';
import type { RunNotifications } from '../db/notifications';
import type { Repositories } from '../db/repositories';
import type { RunRow } from '../db/rows';

/** A tenant's runs, for those who follow what comes of them. */
export interface FollowedRuns {
  readonly repositories: Repositories;
  readonly notifications: RunNotifications;
  readonly tenantId: string;
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** The tenant's run. Throws RUN_UNKNOWN, with the same words for a foreign run and for none. */
export async function findRun(
  { repositories, tenantId }: { readonly repositories: Repositories; readonly tenantId: string },
  runId: string,
): Promise<RunRow> {
  // Anything else than a UUID cannot be a run's id, and PostgreSQL would refuse to compare it.
  const row = UUID.test(runId) ? await repositories.runs.find(tenantId, runId) : undefined;
  if (row === undefined) throw new AppError('RUN_UNKNOWN', `There is no run "${runId.slice(0, 80)}" here`);
  return row;
}
