import { uuidv7 } from 'uuidv7';
import type { AgentResult } from '../protocol/agent';
import type { FinishRunInput, SettleAgentInput } from '../protocol/run';
import type { ActivityDeps } from '.';

/** Closes the row of an execution that is over for the workflow; adopts the result of one that had completed after all. */
export function createSettleAgent({ repositories, log }: ActivityDeps) {
  return async (input: SettleAgentInput): Promise<{ adopted: AgentResult | null }> => {
    const { tenantId, runId, address, agent, status, failure, events } = input;
    const settled = await repositories.agentRuns.settle(tenantId, {
      runId,
      candidateId: uuidv7(),
      address,
      agent: agent.name,
      version: agent.version,
      status,
      failure,
      events,
    });
    const fields = { runId, agent: agent.name, tenant: tenantId, code: failure.code };
    if (settled.outcome === 'adopted') log.info(fields, 'a lost completion was adopted');
    return { adopted: settled.outcome === 'adopted' ? settled.result : null };
  };
}

/** Writes the run's final state, once. */
export function createFinishRun({ repositories, log }: ActivityDeps) {
  return async (input: FinishRunInput): Promise<void> => {
    const { tenantId, runId, status, failure } = input;
    await repositories.runs.finish(tenantId, {
      runId,
      status,
      result: input.output,
      failure,
      degraded: input.degraded,
      usage: input.usage,
      events: input.events,
    });
    log.info({ runId, tenant: tenantId, status, code: failure?.code }, 'run ended');
  };
}
