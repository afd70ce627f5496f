import { activityInfo, Context } from '@temporalio/activity';
import { uuidv7 } from 'uuidv7';
import type { AgentResult } from '../protocol/agent';
import { FAILURES } from '../protocol/failures';
import type { AgentRest } from '../protocol/rest';
import type { ExecuteAgentInput } from '../protocol/run';
import { reach } from '../telemetry/kill-points';
import type { ActivityDeps } from '.';
import { applicationFailure, cancellation, failureFrom, isCancelled } from './agent-failure';
import type { ContextOutbox } from './context-outbox';
import type { ContextReader, PreviousReader } from './context-reader';
import { endTurn } from './end-turn';
import { type AheadOpenings, newTokenHash, workerIdentity } from './opened-ahead';
import type { AgentResolver } from './resolve-agent';
import { runTurn, type Attempt } from './run-turn';
import type { TokenBatcher } from './token-batcher';

export interface ExecuteDeps extends ActivityDeps {
  readonly readContext: ContextReader;
  readonly contextOutbox: ContextOutbox;
  readonly resolveAgent: AgentResolver;
  readonly tokens: TokenBatcher;
  readonly readPrevious: PreviousReader;
  readonly ahead: AheadOpenings;
}

/** One attempt of one agent execution: opens the row, lets the agent work, closes the row with everything it did. */
export function createExecuteAgent(deps: ExecuteDeps) {
  return async (input: ExecuteAgentInput): Promise<AgentResult | AgentRest> => {
    using _ = deps.ahead.enter();
    const opened = await open(deps, input);
    if ('stored' in opened) return opened.stored;
    try {
      const result = await work(deps, input, opened);
      reach('completion.before');
      return result;
    } catch (error) {
      throw await recordFailure(deps, { input, attempt: opened, error });
    }
  };
}

async function open(
  { repositories, ahead }: ExecuteDeps,
  input: ExecuteAgentInput,
): Promise<Attempt | { readonly stored: AgentResult | AgentRest }> {
  const info = activityInfo();
  const first = info.attempt === 1 && input.attemptsBefore === 0;
  reach('open.before');
  const attempt = ahead.take(input);
  // Decisions that ride along are to be in the log before the agent begins.
  if (attempt !== undefined && first && input.events.length === 0) {
    reach('open.after');
    return attempt;
  }
  const tokenHash = newTokenHash();
  const opened = await repositories.agentRuns.open(input.tenantId, {
    runId: input.runId,
    candidateId: uuidv7(),
    address: input.address,
    agent: input.agent.name,
    version: input.agent.version,
    activityAttempt: info.attempt,
    first,
    scheduledAtMs: info.scheduledTimestampMs,
    turn: input.turn,
    tokenHash,
    worker: workerIdentity(),
    events: input.events,
  });
  reach('open.after');
  switch (opened.outcome) {
    case 'open': {
      const { agentRunId, attempt: number, resumption } = opened;
      return { agentRunId, number, tokenHash, resumption };
    }
    case 'asleep':
      return { stored: opened.rest };
    case 'closed': {
      if (opened.result !== null) return { stored: opened.result };
      const failure = opened.failure ?? { code: 'AGENT_FAILED', message: 'Failed in an earlier execution' };
      throw applicationFailure({
        code: 'RUN_FINAL',
        message: `Already closed: ${failure.code}, ${failure.message}`,
      });
    }
    case 'run-final':
      throw applicationFailure({ code: 'RUN_FINAL', message: `The run is already ${opened.status}` });
    case 'fenced':
      throw applicationFailure({ code: 'ATTEMPT_FENCED', message: 'A later attempt is already under way' });
  }
}

async function work(
  deps: ExecuteDeps,
  input: ExecuteAgentInput,
  attempt: Attempt,
): Promise<AgentResult | AgentRest> {
  const { agent, model } = await deps.resolveAgent(input);
  const end = await runTurn({ ...deps, model }, { input, attempt, agent });
  reach('close.before');
  const ended = await endTurn(deps, { input, attempt, end });
  reach('close.after');
  return ended;
}

interface FailedAttempt {
  readonly input: ExecuteAgentInput;
  readonly attempt: Attempt;
  readonly error: unknown;
}

/** Keeps the failed attempt in PostgreSQL and gives back what Temporal is to be told. */
async function recordFailure(deps: ExecuteDeps, { input, attempt, error }: FailedAttempt): Promise<unknown> {
  const cancelled = isCancelled(error);
  const reason = cancelled ? cancellation(Context.current().cancellationDetails) : error;
  const failure = failureFrom(reason);
  const { attemptsBefore, maxAttempts } = input;
  // An agent that may be started once only is not started again, whoever stopped it.
  const givenUp =
    cancelled && Context.current().cancellationDetails?.workerShutdown === true && maxAttempts > 1;
  const willRetry =
    givenUp || (FAILURES[failure.code].retry && attemptsBefore + activityInfo().attempt < maxAttempts);
  const log = deps.log.child({ runId: input.runId, agent: input.agent.name, tenant: input.tenantId });
  log[FAILURES[failure.code].log](
    { code: failure.code, attempt: attempt.number, willRetry },
    failure.message,
  );
  try {
    await deps.repositories.agentRuns.failAttempt(input.tenantId, {
      runId: input.runId,
      agentRunId: attempt.agentRunId,
      attempt: attempt.number,
      tokenHash: attempt.tokenHash,
      failure,
      willRetry,
      givenUp,
    });
  } catch (unrecorded) {
    // The next opening records this attempt as lost; the agent's own failure matters more than this one.
    log.warn({ err: unrecorded }, 'a failed attempt could not be recorded at once');
  }
  return cancelled && failure.code === 'RUN_CANCELLED' ? error : applicationFailure(failure, reason);
}
