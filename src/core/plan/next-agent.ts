import type { AgentStep, Step } from '../../protocol/plan';
import { childAddress, ROOT_ADDRESS } from '../addresses';
import { DEFAULT_RETRY } from '../retry';

export interface Follower {
  readonly step: AgentStep;
  readonly address: string;
}

/**
 * Of a plan that is a sequence: by address, the agents that begin for certain as soon as the step before them has brought a
 * result, whatever that is. Nothing but the run's own end comes in between: no condition, no clock, no other attempt. Not among
 * them is an agent that may begin only once, since nobody can tell whether one that is lost right there had begun.
 */
export function followersOf(plan: Step): ReadonlyMap<string, Follower> {
  const followers = new Map<string, Follower>();
  if (plan.type !== 'sequence' || plan.timeoutMs !== undefined || plan.retry !== undefined) return followers;
  for (const [index, step] of plan.steps.entries()) {
    if (index === 0 || step.type !== 'agent' || step.when !== undefined) continue;
    if ((step.retry?.maxAttempts ?? DEFAULT_RETRY.maxAttempts) === 1) continue;
    const address = childAddress(ROOT_ADDRESS, index);
    followers.set(childAddress(ROOT_ADDRESS, index - 1), { step, address });
  }
  return followers;
}
