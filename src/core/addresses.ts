import type { Step } from '../protocol/plan';

/** Address of the plan's root. Children count from 1: `2.3` is the third child of the second. */
export const ROOT_ADDRESS = '0';

export function childAddress(parent: string, child: number | 'aggregate' | 'fallback'): string {
  const last = typeof child === 'number' ? String(child + 1) : child;
  return parent === ROOT_ADDRESS ? last : `${parent}.${last}`;
}

/** The agents a step names, in plan order, aggregators and fallbacks included. */
export function agentsOf(step: Step): readonly string[] {
  const fallback =
    typeof step.onFailure === 'object' && 'agent' in step.onFailure.fallback
      ? [step.onFailure.fallback.agent]
      : [];
  if (step.type === 'agent') return [step.agent, ...fallback];
  const aggregator =
    step.type === 'parallel' && typeof step.aggregate === 'object' ? [step.aggregate.agent] : [];
  return [...step.steps.flatMap(agentsOf), ...aggregator, ...fallback];
}
