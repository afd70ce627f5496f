import type { Step } from '../protocol/plan';

/** A plan in one line for the Web UI: `inventory → (licence | provenance) → policy`. */
export function planSummary(step: Step): string {
  switch (step.type) {
    case 'agent':
      return step.agent;
    case 'sequence':
      return step.steps.map(planSummary).join(' → ');
    case 'parallel':
      return `(${step.steps.map(planSummary).join(' | ')})${aggregatorOf(step.aggregate)}`;
  }
}

function aggregatorOf(aggregate: Extract<Step, { type: 'parallel' }>['aggregate']): string {
  return typeof aggregate === 'object' ? ` → ${aggregate.agent}` : '';
}
