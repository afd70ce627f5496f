import { uuidv7 } from 'uuidv7';
import { AppError } from '../protocol/failures';
import type {
  AppendEventsInput,
  FinishRunInput,
  RunStatus,
  SettleAgentInput,
  SettledAgent,
} from '../protocol/run';
import type { ActivityDeps } from '.';

/** Closes the row of an execution that is over for the workflow; adopts the result of one that had completed after all. */
export function createSettleAgent({ repositories, log }: ActivityDeps) {
  return async (input: SettleAgentInput): Promise<SettledAgent> => {
    const { tenantId, runId, address, agent, status, failure, maxAttempts, events } = input;
    const settled = await repositories.agentRuns.settle(tenantId, {
      runId,
      candidateId: uuidv7(),
      address,
      agent: agent.name,
      version: agent.version,
      status,
      failure,
      maxAttempts,
      events,
    });
    const fields = { runId, agent: agent.name, tenant: tenantId, code: failure.code };
    if (settled.outcome === 'adopted') log.info(fields, 'a lost completion was adopted');
    if (settled.outcome === 'adopted') return { outcome: 'adopted', result: settled.result };
    if (settled.outcome !== 'unfinished') return { outcome: 'closed' };
    log.warn({ ...fields, attempts: settled.attempts }, 'attempts that never began do not count; once more');
    return settled;
  };
}

/**
 * Writes the run's final state, once, and answers how it stands: an agent may have ended it before. What it took, the
 * ledger of model calls knows better than the workflow. Answers `bus-open` and writes nothing where the run talks and its
 * bus was not closed yet: what was sent before the end is to be in the log, and what comes after it refused.
 */
export function createFinishRun({ repositories, log }: ActivityDeps) {
  return async (input: FinishRunInput): Promise<'bus-open' | RunStatus> => {
    const { tenantId, runId, status, failure } = input;
    const end = {
      runId,
      status,
      result: input.output,
      failure,
      degraded: input.degraded,
      events: input.events,
    };
    const { runs } = repositories;
    const ended = await (input.busClosed === true
      ? runs.finish(tenantId, end)
      : runs.finishSilent(tenantId, end));
    if (ended.outcome === 'bus-open') return 'bus-open';
    log.info({ runId, tenant: tenantId, status, code: failure?.code }, 'run ended');
    return ended.status;
  };
}

/** Writes down decisions that no activity is about to carry. A run that is over takes none, and needs none. */
export function createAppendEvents({ repositories, log }: ActivityDeps) {
  return async ({ tenantId, runId, events }: AppendEventsInput): Promise<void> => {
    try {
      await repositories.events.append(tenantId, runId, events);
    } catch (error) {
      if (!AppError.is(error) || error.code !== 'RUN_FINAL') throw error;
      log.info({ runId, tenant: tenantId, events: events.length }, 'decisions of a run that had ended');
    }
  };
}
