import {
  type Client,
  IllegalStateError,
  ServiceError,
  WorkflowIdConflictPolicy,
  WorkflowIdReusePolicy,
  type WorkflowStartOptions,
} from '@temporalio/client';
import { AppError } from '../protocol/failures';
import type { FactsByBlob, RunWorkflowInput } from '../protocol/run';
import { factsOf } from '../core/facts';
import { workflowIdOf } from '../core/ids';
import { factsWanted } from '../core/plan/facts-wanted';
import { planSummary } from '../core/plan-summary';
import type { Repositories } from '../db/repositories';
import type { RunRow } from '../db/rows';
import { searchAttributesOf } from './search-attributes';

export interface RunStart {
  readonly temporal: Client;
  /** Over the connection of a worker in this process, which then has the first workflow task without a queue between. */
  readonly eager?: Client | undefined;
  readonly taskQueue: string;
  readonly repositories: Pick<Repositories, 'values'>;
  /** Agent executions, child runs and timers after which a run's workflow continues as new; 500. */
  readonly startsPerHistory?: number | undefined;
}

/** What a run's row says about the work to do. */
export type AcceptedRun = Pick<
  RunRow,
  'id' | 'tenantId' | 'projectId' | 'task' | 'input' | 'plan' | 'agents'
> &
  Partial<Pick<RunRow, 'parentRunId' | 'parentAddress' | 'bounds'>>;

/**
 * Starts the workflow of an accepted run, unless it has one already. Throws TEMPORAL_UNAVAILABLE.
 * The default start is not idempotent: only both policies together give one workflow per id.
 */
export async function startRun(options: RunStart, run: AcceptedRun): Promise<void> {
  const { temporal, taskQueue } = options;
  const args: [RunWorkflowInput] = [await inputOf(options, run)];
  try {
    await begin(options, {
      workflowId: workflowIdOf(run.id),
      taskQueue,
      args,
      workflowIdReusePolicy: WorkflowIdReusePolicy.REJECT_DUPLICATE,
      workflowIdConflictPolicy: WorkflowIdConflictPolicy.USE_EXISTING,
      typedSearchAttributes: await searchAttributesOf(temporal, run),
      staticSummary: planSummary(run.plan).slice(0, 200),
    });
  } catch (cause) {
    if (cause instanceof Error && cause.name === 'WorkflowExecutionAlreadyStartedError') return;
    const text = `Run ${run.id} is accepted but could not be started: ${String(cause)}`;
    throw new AppError('TEMPORAL_UNAVAILABLE', text, { cause });
  }
}

async function begin({ temporal, eager }: RunStart, options: WorkflowStartOptions): Promise<void> {
  try {
    await (eager ?? temporal).workflow.start('teamRun', {
      ...options,
      requestEagerStart: eager !== undefined,
    });
  } catch (error) {
    // The worker is gone, and its connection with it.
    const isClosed = error instanceof ServiceError && error.cause instanceof IllegalStateError;
    if (!isClosed) throw error;
    await temporal.workflow.start('teamRun', options);
  }
}

async function inputOf(options: RunStart, run: AcceptedRun): Promise<RunWorkflowInput> {
  const { id: runId, tenantId, projectId, task, input, plan, agents } = run;
  const { parentRunId, parentAddress, bounds } = run;
  const facts = await knownFacts(options, run);
  const parent =
    typeof parentRunId === 'string' && typeof parentAddress === 'string'
      ? { parent: { runId: parentRunId, address: parentAddress } }
      : {};
  return {
    schemaVersion: 1,
    tenantId,
    projectId,
    runId,
    task,
    input,
    plan,
    agents,
    ...(Object.keys(facts).length === 0 ? {} : { facts }),
    ...(bounds === undefined || bounds === null ? {} : { bounds }),
    ...parent,
    commandOrder: 2,
    ...(options.startsPerHistory === undefined ? {} : { startsPerHistory: options.startsPerHistory }),
  };
}

/** What the plan's predicates ask of task and input, where the workflow will only have references to them. */
async function knownFacts({ repositories }: RunStart, { tenantId, task, input, plan }: AcceptedRun) {
  const wanted = factsWanted(plan);
  const facts: Record<string, FactsByBlob[string]> = {};
  for (const [value, pointers] of [[task, wanted.task] as const, [input, wanted.input] as const])
    if ('ref' in value && pointers.length > 0)
      facts[value.ref.blob] = {
        ...facts[value.ref.blob],
        ...factsOf(await repositories.values.load(tenantId, value), pointers),
      };
  return facts;
}
