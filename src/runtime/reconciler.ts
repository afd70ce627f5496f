import { type Client, type WorkflowExecutionStatusName, WorkflowNotFoundError } from '@temporalio/client';
import type { JsonObject } from '../protocol/json';
import { workflowIdOf } from '../core/ids';
import type { Repositories } from '../db/repositories';
import type { UnfinishedRun } from '../db/repositories/system';
import type { Logger } from '../telemetry/log';
import { startRecurring } from './recurring';
import { settleRun } from './settle-run';
import { startRun } from './start-run';

export interface ReconcilerOptions {
  readonly repositories: Repositories;
  readonly temporal: Client;
  readonly taskQueue: string;
  readonly startsPerHistory?: number;
  readonly log: Logger;
  /** The pace of all processes of one database together; 10 s. */
  readonly intervalMs?: number | undefined;
  /** Runs accepted, and workflows closed, less than this ago are left to whoever is still at work on them; 10 s. */
  readonly olderThanMs?: number | undefined;
}

const INTERVAL_MS = 10_000;
const OLDER_THAN_MS = 10_000;
/** Queued runs per tick, and running ones. */
const BATCH = 100;
const AT_ONCE = 8;
/** How long Temporal may take to say that it is there. */
const ANSWER_TIMEOUT_MS = 2_000;
/** How long it may take over one run. */
const RUN_TIMEOUT_MS = 5_000;

const CLOSED: ReadonlySet<WorkflowExecutionStatusName> = new Set([
  'COMPLETED',
  'FAILED',
  'CANCELLED',
  'TERMINATED',
  'TIMED_OUT',
]);

/** Something that was set right. */
interface Act {
  readonly tenantId: string;
  readonly detail: JsonObject;
}

/**
 * Compares rows with workflows for as long as it is not disposed, in every worker process; no error ends it. Calls under
 * way are waited for, and have their deadlines: the SDK can abort none that waits between two attempts, and where the
 * connection is closed before the next one, that attempt ends the process.
 */
export function startReconciler(options: ReconcilerOptions): AsyncDisposable {
  const { intervalMs = INTERVAL_MS, log } = options;
  return startRecurring({
    intervalMs,
    turn: (signal) => reconcile(options, signal),
    failed: (err, signal) => {
      if (!signal.aborted) log.error({ err }, 'runs could not be reconciled; the next tick tries again');
    },
  });
}

/** One tick: starts accepted runs that have no workflow, and settles those whose workflow is closed. */
export async function reconcile(options: ReconcilerOptions, signal: AbortSignal): Promise<void> {
  const { repositories, temporal, intervalMs = INTERVAL_MS, olderThanMs = OLDER_THAN_MS } = options;
  // Asked first, or runs would be passed over in their turn while nobody can say how they are.
  await temporal.withDeadline(Date.now() + ANSWER_TIMEOUT_MS, () =>
    temporal.workflowService.getSystemInfo({}),
  );
  // Somewhat less than the shortest pause, so that a process which is alone is never too early for itself.
  const turn = { olderThanMs, everyMs: intervalMs * 0.75, limit: BATCH };
  const runs = await repositories.system.takeUnfinished(turn);
  const acts = new Array<Act>();
  await forEachOf(runs, async (run) => {
    if (signal.aborted) return;
    try {
      const act = await temporal.withDeadline(Date.now() + RUN_TIMEOUT_MS, () => setRight(options, run));
      if (act !== undefined) acts.push(act);
    } catch (err) {
      if (!signal.aborted) logOf(options, run).error({ err }, 'a run could not be reconciled');
    }
  });
  // What was tried in vain is in the log; this is what was done.
  await repositories.system.audit('reconcile', auditEntries(acts, temporal));
}

/** Compares one run with its workflow; answers what it did, where there was anything to do. */
async function setRight(options: ReconcilerOptions, run: UnfinishedRun): Promise<Act | undefined> {
  const { olderThanMs = OLDER_THAN_MS, temporal } = options;
  const workflow = await describe(temporal, run.runId);
  if (workflow === undefined) return startAgain(options, run);
  const { status, closeTime } = workflow;
  if (!CLOSED.has(status.name) || closeTime === undefined) return undefined;
  // An activity that was at work when the workflow closed may be about to store the end itself.
  if (Date.now() - closeTime.getTime() < olderThanMs) return undefined;
  const settled = await settleRun(options, run);
  if (settled.outcome !== 'settled') return undefined;
  const end = { status: settled.status, code: settled.failure?.code ?? null };
  logOf(options, run).warn(end, 'a run whose workflow had closed was settled');
  return { tenantId: run.tenantId, detail: { runId: run.runId, did: 'settled', ...end } };
}

/**
 * Starts a run from its row. Also one that had begun and whose workflow is forgotten (its retention over, or deleted by
 * an operator): no work is repeated, since rows are the arbiter. An agent run that is closed answers its opening with
 * the stored result; one that was left open counts as lost and gets another attempt, as after a worker's death.
 */
async function startAgain(options: ReconcilerOptions, run: UnfinishedRun): Promise<Act | undefined> {
  const row = await options.repositories.runs.find(run.tenantId, run.runId);
  if (row === undefined || row.endedAt !== null) return undefined;
  await startRun(options, row);
  logOf(options, run).warn({ status: row.status }, 'a run without a workflow was started');
  return { tenantId: run.tenantId, detail: { runId: run.runId, did: 'started', status: row.status } };
}

async function describe(temporal: Client, runId: string) {
  try {
    return await temporal.workflow.getHandle(workflowIdOf(runId)).describe();
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
}

/** One entry per tenant, so that a tenant can read what was done to its runs and nothing else. */
function auditEntries(acts: readonly Act[], { options: { identity } }: Client) {
  const tenants = [...new Set(acts.map(({ tenantId }) => tenantId))];
  return tenants.map((tenantId) => ({
    tenantId,
    actor: identity,
    detail: { runs: acts.filter((act) => act.tenantId === tenantId).map(({ detail }) => detail) },
  }));
}

async function forEachOf<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const rest = items.values();
  const lane = async (): Promise<void> => {
    for (const item of rest) await work(item);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
}

function logOf({ log }: ReconcilerOptions, { tenantId, runId }: UnfinishedRun): Logger {
  return log.child({ runId, tenant: tenantId });
}
