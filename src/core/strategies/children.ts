import type { AdaptiveStep, CompositeStep, Step } from '../../protocol/plan';
import type { Router } from '../../protocol/plan/decisions';

/** The agent that puts the question of a model router to the model. */
export const ROUTER_AGENT = 'router';

/** Whether a step is carried out by a strategy over its children. */
export function isComposite(step: Step): step is CompositeStep {
  return COMPOSITES.has(step.type);
}

const COMPOSITES: ReadonlySet<Step['type']> = new Set(['sequence', 'parallel', 'adaptive', 'loop', 'map']);

/** A step's children as its strategy numbers them; an aggregating or routing agent is the one after the others. */
export function childrenOf(step: CompositeStep): readonly Step[] {
  switch (step.type) {
    case 'sequence':
      return step.steps;
    case 'parallel':
      return [...step.steps, ...aggregatorOf(step.aggregate)];
    case 'adaptive':
      return [...step.options.map((option) => option.step), ...routerOf(step)];
    case 'loop':
    case 'map':
      return [step.step];
  }
}

/** Whether a step's children stand beside each other, rather than one after another. */
export function areBeside({ type }: CompositeStep): boolean {
  return type === 'parallel' || type === 'map';
}

/** Whether a child is its step's aggregator rather than one of the steps themselves. */
export function isAggregator(step: CompositeStep, child: number): boolean {
  return step.type === 'parallel' && child >= step.steps.length;
}

/** Whether a child chooses the next option rather than being one. */
export function isRouter(step: CompositeStep, child: number): boolean {
  return step.type === 'adaptive' && child >= step.options.length;
}

/** Where a child stands in its step's address: by number from 0, or by what it does. */
export function childPlace(step: CompositeStep, child: number): number | 'aggregate' | 'router' {
  if (isAggregator(step, child)) return 'aggregate';
  return isRouter(step, child) ? 'router' : child;
}

function aggregatorOf(aggregate: Extract<CompositeStep, { type: 'parallel' }>['aggregate']): Step[] {
  if (typeof aggregate !== 'object' || !('agent' in aggregate)) return [];
  return [{ type: 'agent', onFailure: 'fail', ...aggregate }];
}

/** A routing agent is told the options; where the step knows what to do without its answer, its failure is tolerated. */
function routerOf({ options, router }: AdaptiveStep): Step[] {
  if (router.by === 'rules') return [];
  const onFailure = router.otherwise === undefined || router.otherwise === 'fail' ? 'fail' : 'skip';
  const known = options.map(({ id, description }) => ({
    id,
    ...(description === undefined ? {} : { description }),
  }));
  return [
    { type: 'agent', agent: routingAgent(router), onFailure, input: { ...givenTo(router), options: known } },
  ];
}

type AskedRouter = Exclude<Router, { by: 'rules' }>;

function routingAgent(router: AskedRouter): string {
  return router.by === 'agent' ? router.agent : ROUTER_AGENT;
}

function givenTo(router: AskedRouter) {
  if (router.by === 'agent') return router.input;
  return router.instructions === undefined ? undefined : { instructions: router.instructions };
}
