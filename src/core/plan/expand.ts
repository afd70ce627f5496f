import type { PlanShorthand, Step } from '../../protocol/plan';

/** Says `{strategy, agents}` as the plan it stands for; a full plan stays as it is. */
export function expandPlan(plan: PlanShorthand | Step): Step {
  if (!('strategy' in plan)) return plan;
  const steps = plan.agents.map((agent) => ({ type: 'agent', agent }) as const);
  const { aggregate = 'merge', quorum, router = { by: 'model' }, maxSteps, context } = plan;
  const rules = context === undefined ? {} : { context };
  switch (plan.strategy) {
    case 'sequential':
      return { type: 'sequence', steps, ...rules };
    case 'parallel':
      return { type: 'parallel', steps, aggregate, ...(quorum === undefined ? {} : { quorum }), ...rules };
    case 'adaptive': {
      const options = steps.map((step) => ({ id: step.agent, step }));
      return { type: 'adaptive', options, router, ...(maxSteps === undefined ? {} : { maxSteps }), ...rules };
    }
  }
}
