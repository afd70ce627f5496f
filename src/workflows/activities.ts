import { ActivityCancellationType, proxyActivities } from '@temporalio/workflow';
import type { Activities } from '../activities';
import type { AgentStep } from '../protocol/plan';
import type { AgentVersion } from '../protocol/agent';

/** Temporal's exponential backoff for agents: 2 s, 4 s, 8 s, then given up. */
const DEFAULT_RETRY = { maxAttempts: 4, initialIntervalMs: 2_000, maxIntervalMs: 8_000 } as const;

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

/** The one activity of an agent execution, with readable ids for the Web UI. */
export function agentActivity(
  step: AgentStep,
  agent: AgentVersion,
  address: string,
): Activities['executeAgent'] {
  const retry = retryOf(step);
  return proxyActivities<Activities>({
    activityId: `${address} ${agent.name}`,
    summary: `${agent.name} ${agent.version}`,
    startToCloseTimeout: (step.timeoutMs ?? agent.timeoutMs) + TIMEOUT_MARGIN_MS,
    heartbeatTimeout: '15s',
    // Agents answer cancellation through heartbeats; waiting for one that does not would hang the run.
    cancellationType: ActivityCancellationType.TRY_CANCEL,
    retry: {
      initialInterval: retry.initialIntervalMs,
      backoffCoefficient: 2,
      maximumInterval: retry.maxIntervalMs,
      maximumAttempts: retry.maxAttempts,
    },
  }).executeAgent;
}

/** Bookkeeping must happen, however long PostgreSQL is away. */
export const { settleAgent, finishRun } = proxyActivities<Activities>({
  startToCloseTimeout: '30s',
  retry: { initialInterval: '500ms', backoffCoefficient: 2, maximumInterval: '10s' },
});
