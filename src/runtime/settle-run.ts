import { type Client, WorkflowFailedError, WorkflowNotFoundError } from '@temporalio/client';
import { ApplicationFailure, CancelledFailure, TerminatedFailure, TimeoutFailure } from '@temporalio/common';
import { AppError, type Failure, isFailureCode } from '../protocol/failures';
import { workflowIdOf } from '../core/ids';
import type { Repositories } from '../db/repositories';
import type { RunEnd } from '../db/repositories/runs';
import { carriedDecisions } from './carried-decisions';

interface SettleDeps {
  readonly repositories: Repositories;
  readonly temporal: Client;
}

interface RunKey {
  readonly tenantId: string;
  readonly runId: string;
}

type End = Pick<RunEnd, 'status' | 'failure'>;

/** `ended`: the row was final already. `no-workflow`: Temporal does not know the run, or no longer. */
export type Settlement =
  | { readonly outcome: 'ended' | 'no-workflow' }
  | ({ readonly outcome: 'settled' } & End);

/**
 * Waits until a run's workflow has closed, and ends a row that it left open: its open agent runs and its child runs are
 * cancelled, its story gets the decisions that never arrived, and its last line. A run's own end is the first to be stored and stands.
 * Throws TEMPORAL_UNAVAILABLE.
 */
export async function settleRun(deps: SettleDeps, { tenantId, runId }: RunKey): Promise<Settlement> {
  const { runs } = deps.repositories;
  const end = await closeOf(deps.temporal, runId);
  if (end === undefined) return { outcome: 'no-workflow' };
  const row = await runs.find(tenantId, runId);
  if (row === undefined || row.endedAt !== null) return { outcome: 'ended' };
  // First, or nobody would come back for those that could not be reached.
  await cancelChildren(deps, { tenantId, runId });
  const { outcome } = await runs.finish(tenantId, {
    runId,
    ...end,
    result: { inline: null },
    degraded: [],
    events: await carriedDecisions(deps.temporal, runId),
  });
  return outcome === 'finished' ? { outcome: 'settled', ...end } : { outcome: 'ended' };
}

/** Child runs outlive their parent's workflow, and nobody waits for them any more. */
async function cancelChildren(
  { repositories: { runs }, temporal }: SettleDeps,
  { tenantId, runId }: RunKey,
): Promise<void> {
  for (const childId of await runs.openChildren(tenantId, runId))
    try {
      await temporal.workflow.getHandle(workflowIdOf(childId)).cancel();
    } catch (error) {
      if (!(error instanceof WorkflowNotFoundError)) throw temporalSilent(runId, error);
      // It was accepted and never started, or is about to store its own end, which then stands.
      const failure: Failure = { code: 'RUN_CANCELLED', message: 'Its parent was closed from outside' };
      const end = {
        status: 'cancelled',
        failure,
        result: { inline: null },
        degraded: [],
        events: [],
      } as const;
      await runs.finish(tenantId, { runId: childId, ...end });
    }
}

function temporalSilent(runId: string, cause: unknown): AppError {
  const text = `Temporal cannot say how run ${runId} ended: ${String(cause)}`;
  return new AppError('TEMPORAL_UNAVAILABLE', text, { cause });
}

/** What the workflow's close says of the run; undefined where there is no such workflow. */
async function closeOf(temporal: Client, runId: string): Promise<End | undefined> {
  try {
    await temporal.workflow.getHandle(workflowIdOf(runId)).result();
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    if (error instanceof WorkflowFailedError) return endOf(error.cause);
    throw temporalSilent(runId, error);
  }
  // Its last act is to store the result; a row without it is older than that, and what is lost is lost.
  return failed('RUN_FAILED', 'The workflow completed, but PostgreSQL does not hold its result');
}

function endOf(cause: unknown): End {
  if (cause instanceof CancelledFailure)
    return { status: 'cancelled', failure: { code: 'RUN_CANCELLED', message: 'The run was cancelled' } };
  if (cause instanceof TerminatedFailure)
    return failed('RUN_TERMINATED', `The workflow was closed from outside: ${storable(cause.message)}`);
  if (cause instanceof TimeoutFailure)
    return failed(
      'RUN_TERMINATED',
      'The workflow was closed from outside: its time was limited, and is over',
    );
  if (cause instanceof ApplicationFailure && isFailureCode(cause.type))
    return failed(cause.type, storable(cause.message));
  return failed('INTERNAL', storable(cause instanceof Error ? cause.message : String(cause)));
}

function failed(code: Failure['code'], message: string): End {
  return { status: 'failed', failure: { code, message } };
}

const MESSAGE_CHARS = 1_000;

/** One line that PostgreSQL takes, whatever an operator typed: a row must not stay open for its reason's sake. */
function storable(message: string): string {
  const line = message.replaceAll('\0', '').replaceAll(/\s+/g, ' ').trim();
  // By code points: half a surrogate pair would be refused.
  return Array.from(line).slice(0, MESSAGE_CHARS).join('');
}
