import type { AgentOutcome, RunResult, RunStatus } from '../protocol/run';
import type { Repositories } from '../db/repositories';
import { findRun } from './find-run';

export function isFinal(status: RunStatus): boolean {
  return status === 'completed' || status === 'failed' || status === 'cancelled';
}

/** A run as its rows tell it, references resolved. */
export async function resultOf(
  { repositories, tenantId }: { repositories: Repositories; tenantId: string },
  runId: string,
): Promise<RunResult> {
  const row = await findRun({ repositories, tenantId }, runId);
  const agents = await repositories.agentRuns.listByRun(tenantId, runId);
  return {
    runId,
    status: row.status,
    output: row.result === null ? null : await repositories.values.load(tenantId, row.result),
    failure: row.failure,
    degraded: row.degraded ?? [],
    agents: agents.map(({ address, agent, status, attempt, usage, failure }): AgentOutcome => ({
      address,
      agent,
      status,
      attempts: attempt,
      usage,
      failure,
    })),
    // Of a run that goes on, what it took so far.
    usage: row.usage ?? (await repositories.modelCalls.usageOf(tenantId, runId)),
    startedAt: row.startedAt,
    endedAt: row.endedAt,
  };
}
