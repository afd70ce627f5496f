import type { Step } from '../protocol/plan';
import { childrenOf } from './strategies/children';

/** A plan in one line for the Web UI: `inventory → (licence | provenance) → policy`. */
export function planSummary(step: Step): string {
  switch (step.type) {
    case 'agent':
      return step.agent;
    case 'sequence':
      return step.steps.map(planSummary).join(' → ');
    case 'parallel': {
      const aggregator = childrenOf(step).slice(step.steps.length).map(planSummary);
      return [`(${step.steps.map(planSummary).join(' | ')})`, ...aggregator].join(' → ');
    }
    case 'adaptive':
      return `one of (${step.options.map((option) => planSummary(option.step)).join(', ')})`;
    case 'loop':
      return `(${planSummary(step.step)}) up to ${step.maxIterations} times`;
    case 'map':
      return `each of ${step.over} (${planSummary(step.step)})`;
    case 'run':
      return `run (${step.plan === undefined ? step.stored?.name : planSummary(step.plan)})`;
    case 'approval':
      return 'approval';
    case 'wait':
      return `wait for ${step.for}`;
  }
}
