import {
  ActivityCancellationType,
  proxyActivities,
  proxyLocalActivities,
  workflowInfo,
} from '@temporalio/workflow';
import type { Activities } from '../activities';
import type { AgentStep } from '../protocol/plan';
import type { AgentVersion } from '../protocol/agent';
import type { FinishRunInput, LookForMessageInput, LookIntoMailboxInput, MessageLook } from '../protocol/run';
import { busQueueOf } from '../core/bus/names';
import { DEFAULT_RETRY } from '../core/retry';

/** A step's retry policy with what it leaves open filled in. */
export function retryOf({ retry = {} }: AgentStep): { [K in keyof typeof DEFAULT_RETRY]: number } {
  const initialIntervalMs = retry.initialIntervalMs ?? DEFAULT_RETRY.initialIntervalMs;
  return {
    maxAttempts: retry.maxAttempts ?? DEFAULT_RETRY.maxAttempts,
    initialIntervalMs,
    // Temporal refuses a policy whose longest interval is shorter than its first.
    maxIntervalMs: Math.max(initialIntervalMs, retry.maxIntervalMs ?? DEFAULT_RETRY.maxIntervalMs),
  };
}

/** What the activity is given beyond the agent's own limit, so that its own, better worded time-out comes first. */
const TIMEOUT_MARGIN_MS = 5_000;

/** One scheduling of an agent execution. */
interface Scheduling {
  readonly step: AgentStep;
  /** From 1. */
  readonly number: number;
  readonly agent: AgentVersion;
  readonly address: string;
  /** From 1; beyond it, attempts of earlier schedulings did not count. */
  readonly round: number;
  /** Those that did. */
  readonly attempts: number;
}

/** The one activity of an agent execution, with readable ids for the Web UI. */
export function agentActivity({
  step,
  number,
  agent,
  address,
  round,
  attempts,
}: Scheduling): Activities['executeAgent'] {
  const retry = retryOf(step);
  const id = number === 1 ? `${address} ${agent.name}` : `${address} ${agent.name} turn ${number}`;
  return proxyActivities<Activities>({
    activityId: round === 1 ? id : `${id} (${round})`,
    summary: `${agent.name} ${agent.version}`,
    startToCloseTimeout: (step.timeoutMs ?? agent.timeoutMs) + TIMEOUT_MARGIN_MS,
    heartbeatTimeout: '15s',
    // Agents answer cancellation through heartbeats; waiting for one that does not would hang the run.
    cancellationType: ActivityCancellationType.TRY_CANCEL,
    retry: {
      initialInterval: retry.initialIntervalMs,
      backoffCoefficient: 2,
      maximumInterval: retry.maxIntervalMs,
      maximumAttempts: Math.max(1, retry.maxAttempts - attempts),
    },
  }).executeAgent;
}

/** Bookkeeping must happen, however long PostgreSQL is away. */
const BOOKKEEPING = {
  startToCloseTimeout: '30s',
  retry: { initialInterval: '500ms', backoffCoefficient: 2, maximumInterval: '10s' },
} as const;
export const { settleAgent, storeValues } = proxyActivities<Activities>(BOOKKEEPING);

/** In the workflow task itself: one way to the server and back is saved. */
const local = proxyLocalActivities<Activities>({
  ...BOOKKEEPING,
  // Longer waits than this are timers in the history: a workflow task must not be held for ever.
  localRetryThreshold: '2s',
});
export const { appendEvents, acceptRun, readRun, readList } = local;

/** Looks for what a step waits for. */
export function lookForMessage(input: LookForMessageInput): Promise<MessageLook> {
  return looking().lookForMessage(input);
}

/** Looks for what an agent sleeps for. */
export function lookIntoMailbox(input: LookIntoMailboxInput): Promise<boolean> {
  return looking().lookIntoMailbox(input);
}

/** Where no agent takes the slots. */
function looking() {
  const queue = { taskQueue: busQueueOf(workflowInfo().taskQueue) };
  return proxyActivities<Activities>({ ...BOOKKEEPING, ...queue, heartbeatTimeout: '5s' });
}

/** Writes the run's final state, after its bus is closed where it has one. Whether it is completed, by this or before. */
export async function finishRun(end: FinishRunInput): Promise<boolean> {
  const first = await local.finishRun(end);
  if (first !== 'bus-open') return first === 'completed';
  const { closeBus } = proxyActivities<Pick<Activities, 'closeBus'>>({
    ...BOOKKEEPING,
    // Not where agents wait for slots, and not for ever: a bus that cannot be closed holds no result back.
    taskQueue: busQueueOf(workflowInfo().taskQueue),
    scheduleToCloseTimeout: '5m',
  });
  await closeBus({ tenantId: end.tenantId, runId: end.runId }).catch(() => undefined);
  return (await local.finishRun({ ...end, busClosed: true })) === 'completed';
}
