import { CancellationScope, isCancellation } from '@temporalio/workflow';
import type { AgentResult } from '../protocol/agent';
import type { Failure } from '../protocol/failures';
import type { AgentStep } from '../protocol/plan';
import type { PreviousOutput } from '../protocol/run';
import type { StepOutcome } from '../core/strategies/strategy';
import { agentActivity, retryOf, settleAgent } from './activities';
import { showProgress } from './details';
import { isAgentResult } from './check-result';
import { fail, failureOf } from './failure';
import type { Execution, RunState } from './run-state';

interface Turn {
  readonly step: AgentStep;
  readonly address: string;
  readonly previous: readonly PreviousOutput[];
}

/** One agent execution: one activity, its retries, and what its end means. Rethrows cancellation once the row is closed. */
export async function runAgent(run: RunState, turn: Turn): Promise<StepOutcome> {
  const execution: Execution = { address: turn.address, agent: turn.step.agent, status: 'running' };
  run.executions.push(execution);
  run.roster.started(execution.agent, now());
  showProgress(run);
  const result = await attempt(run, turn, execution);
  const done = 'agentRunId' in result;
  if (done) run.applyTurn(execution, result);
  else execution.status = 'failed';
  run.roster.ended(execution.agent, now(), done);
  showProgress(run);
  return done ? { type: 'done', output: result.output } : { type: 'failed', failure: result };
}

async function attempt(run: RunState, turn: Turn, execution: Execution): Promise<AgentResult | Failure> {
  try {
    return await execute(run, turn);
  } catch (error) {
    if (!isCancellation(error)) return settle(run, turn, { status: 'failed', failure: failureOf(error) });
    execution.status = 'cancelled';
    const failure: Failure = { code: 'RUN_CANCELLED', message: 'Cancelled before it finished' };
    await CancellationScope.nonCancellable(() => settle(run, turn, { status: 'cancelled', failure }));
    run.roster.ended(execution.agent, now(), false);
    throw error;
  }
}

async function execute(run: RunState, { step, address, previous }: Turn): Promise<AgentResult> {
  const { tenantId, projectId, runId, task } = run.input;
  const agent = run.agent(step.agent);
  const events = run.pendingEvents();
  const result = await agentActivity(
    step,
    agent,
    address,
  )({
    tenantId,
    projectId,
    runId,
    address,
    agent: step.timeoutMs === undefined ? agent : { ...agent, timeoutMs: step.timeoutMs },
    task,
    runInput: run.input.input,
    stepInput: step.input ?? null,
    previous,
    maxAttempts: retryOf(step).maxAttempts,
    events,
  });
  run.delivered(events);
  // Anybody who may speak to Temporal may complete an activity, with anything.
  if (!isAgentResult(result)) fail('INTERNAL', 'The activity was completed with something that is no result');
  return result;
}

/** Closes the row for good; where it turns out to be complete (a lost answer), its result counts. */
async function settle(
  run: RunState,
  turn: Turn,
  end: { status: 'failed' | 'cancelled'; failure: Failure },
): Promise<AgentResult | Failure> {
  const { tenantId, runId } = run.input;
  const events = run.pendingEvents();
  const agent = run.agent(turn.step.agent);
  const { adopted } = await settleAgent({ tenantId, runId, address: turn.address, agent, ...end, events });
  run.delivered(events);
  return adopted ?? end.failure;
}

const now = (): string => new Date().toISOString();
