import { CancellationScope, isCancellation } from '@temporalio/workflow';
import type { AgentResult } from '../protocol/agent';
import { FAILURES, type Failure } from '../protocol/failures';
import type { AgentStep } from '../protocol/plan';
import type { ExecuteAgentInput, PreviousOutput, SettledAgent } from '../protocol/run';
import type { StepOutcome } from '../core/strategies/strategy';
import { agentActivity, retryOf, settleAgent } from './activities';
import { isAgentResult, isSettledAgent } from './check-result';
import { showProgress } from './details';
import { fail, failureOf } from './failure';
import type { Execution, RunState } from './run-state';

interface Turn {
  readonly step: AgentStep;
  readonly address: string;
  readonly previous: readonly PreviousOutput[];
}

/** How often an execution whose attempts did not count is scheduled again, before that is its end. */
const MOST_ROUNDS = 10;

/**
 * One agent execution: one activity, its retries, and what its end means. Rethrows cancellation once the row is closed.
 * Every promise of workflow code costs the stack trace that the SDK keeps of it, so this is one function, not five.
 */
export async function runAgent(run: RunState, turn: Turn): Promise<StepOutcome> {
  const execution: Execution = { address: turn.address, agent: turn.step.agent, status: 'running' };
  run.executions.push(execution);
  run.roster.started(execution.agent, now());
  showProgress(run);
  let attempts = 0;
  for (let round = 1; ; round += 1) {
    try {
      const input = inputOf(run, turn, attempts);
      const result = await agentActivity({ ...turn, agent: input.agent, round, attempts })(input);
      run.delivered(input.events);
      // Anybody who may speak to Temporal may complete an activity, with anything.
      if (!isAgentResult(result))
        fail('INTERNAL', 'The activity was completed with something that is no result');
      return completed(run, execution, result);
    } catch (error) {
      if (isCancellation(error)) return await cancelled(run, turn, { execution, error });
      const settled = await settle(run, turn, {
        status: 'failed',
        failure: failureOf(error),
        retry: round < MOST_ROUNDS,
      });
      if (settled.outcome === 'adopted') return completed(run, execution, settled.result);
      if (settled.outcome === 'closed') return failed(run, execution, failureOf(error));
      attempts = settled.attempts;
    }
  }
}

function inputOf(run: RunState, { step, address, previous }: Turn, attempts: number): ExecuteAgentInput {
  const { tenantId, projectId, runId, task, input } = run.input;
  const agent = run.agent(step.agent);
  return {
    tenantId,
    projectId,
    runId,
    address,
    agent: step.timeoutMs === undefined ? agent : { ...agent, timeoutMs: step.timeoutMs },
    task,
    runInput: input,
    stepInput: step.input ?? null,
    previous,
    maxAttempts: retryOf(step).maxAttempts,
    attemptsBefore: attempts,
    events: run.pendingEvents(),
  };
}

function completed(run: RunState, execution: Execution, result: AgentResult): StepOutcome {
  run.applyTurn(execution, result);
  run.roster.ended(execution.agent, now(), true);
  showProgress(run);
  return { type: 'done', output: result.output };
}

function failed(run: RunState, execution: Execution, failure: Failure): StepOutcome {
  execution.status = 'failed';
  run.roster.ended(execution.agent, now(), false);
  showProgress(run);
  return { type: 'failed', failure };
}

async function cancelled(
  run: RunState,
  turn: Turn,
  { execution, error }: { readonly execution: Execution; readonly error: unknown },
): Promise<never> {
  execution.status = 'cancelled';
  const failure: Failure = { code: 'RUN_CANCELLED', message: 'Cancelled before it finished' };
  await CancellationScope.nonCancellable(() =>
    settle(run, turn, { status: 'cancelled', failure, retry: false }),
  );
  run.roster.ended(execution.agent, now(), false);
  throw error;
}

interface Ended {
  readonly status: 'failed' | 'cancelled';
  readonly failure: Failure;
  /** Whether it may be scheduled again, where too few of its attempts counted. */
  readonly retry: boolean;
}

/** Closes the row for good; where it turns out to be complete (a lost answer), its result counts. */
async function settle(
  run: RunState,
  { step, address }: Turn,
  { retry, ...end }: Ended,
): Promise<SettledAgent> {
  const { tenantId, runId } = run.input;
  const events = run.pendingEvents();
  const settled = await settleAgent({
    tenantId,
    runId,
    address,
    agent: run.agent(step.agent),
    ...end,
    ...(retry && FAILURES[end.failure.code].retry ? { maxAttempts: retryOf(step).maxAttempts } : {}),
    events,
  });
  run.delivered(events);
  return isSettledAgent(settled) ? settled : { outcome: 'closed' };
}

const now = (): string => new Date().toISOString();
