import {
  CancellationScope,
  CancelledFailure,
  defineQuery,
  isCancellation,
  setHandler,
} from '@temporalio/workflow';
import type { AgentInfo } from '../protocol/agent';
import type { Json, Value } from '../protocol/json';
import type { FinishRunInput, RunWorkflowInput, RunWorkflowResult } from '../protocol/run';
import { ROOT_ADDRESS } from '../core/addresses';
import { finishRun } from './activities';
import { checkContextKey, checkInput } from './check-input';
import { showProgress } from './details';
import { fail } from './failure';
import { RunState } from './run-state';
import { runStep } from './run-step';
import { showStatus } from './status';

const contextQuery = defineQuery<Record<string, Value>, [key?: string]>('context');
const rosterQuery = defineQuery<readonly AgentInfo[]>('roster');
const planQuery = defineQuery<Json>('plan');

/** One run: carries out its plan, agent by agent, and leaves the result in PostgreSQL. */
export async function teamRun(input: RunWorkflowInput): Promise<RunWorkflowResult> {
  checkInput(input);
  const run = new RunState(input);
  setHandler(contextQuery, (key) => run.readContext(checkContextKey(key)), {
    description: 'Global keys of the shared context; give a key to read only that one',
  });
  setHandler(rosterQuery, () => run.roster.list(), {
    description: 'The agents of this run and how they stand',
  });
  setHandler(planQuery, () => run.planView(), { description: 'The plan, and every execution so far' });

  const end = await carryOut(run);
  run.setStatus(end.status);
  showProgress(run);
  showStatus(end.status);
  const { tenantId, runId } = input;
  const { degraded, usage } = run;
  await CancellationScope.nonCancellable(() =>
    finishRun({ tenantId, runId, ...end, degraded, usage, events: run.pendingEvents() }),
  );
  if (end.status === 'cancelled') throw new CancelledFailure('The run was cancelled');
  if (end.failure !== null) fail(end.failure.code, end.failure.message);
  return { runId, status: end.status, failure: end.failure };
}

type End = Pick<FinishRunInput, 'status' | 'output' | 'failure'>;

async function carryOut(run: RunState): Promise<End> {
  try {
    const { outcome } = await runStep(run, { step: run.input.plan, address: ROOT_ADDRESS, previous: [] });
    if (outcome.type === 'failed')
      return { status: 'failed', output: { inline: null }, failure: outcome.failure };
    const output = (outcome.type === 'done' ? outcome.output : undefined) ?? { inline: null };
    return { status: 'completed', output, failure: null };
  } catch (error) {
    if (!isCancellation(error)) throw error;
    const failure = { code: 'RUN_CANCELLED', message: 'The run was cancelled' } as const;
    return { status: 'cancelled', output: { inline: null }, failure };
  }
}
