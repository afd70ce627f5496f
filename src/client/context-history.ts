import type { ContextChange } from '../protocol/context';
import { AppError } from '../protocol/failures';
import { LIMITS } from '../protocol/limits';
import type { Repositories } from '../db/repositories';
import type { HistoryOptions } from './ensemble-client';
import { findRun } from './find-run';

interface Source {
  readonly repositories: Repositories;
  readonly tenantId: string;
}

/** One page of what happened to a key, references resolved. */
export async function readContextHistory(
  source: Source,
  runId: string,
  ...[key, { after = 0, limit = LIMITS.contextHistoryPage } = {}]: readonly [string, HistoryOptions?]
): Promise<readonly ContextChange[]> {
  const { repositories, tenantId } = source;
  const wanted: readonly [string, number, number][] = [
    ['after', after, Number.MAX_SAFE_INTEGER],
    ['limit', limit, LIMITS.contextHistoryPage],
  ];
  for (const [name, value, most] of wanted)
    if (!Number.isInteger(value) || value < 0 || value > most)
      throw new AppError('INPUT_INVALID', `${name} must be a whole number from 0 to ${most}`);
  await findRun(source, runId);
  const page = await repositories.context.history(tenantId, runId, { key, after, limit });
  const changes: ContextChange[] = [];
  for (const { value, ...change } of page)
    changes.push({
      ...change,
      value: value === null ? null : await repositories.values.load(tenantId, value),
    });
  return changes;
}
