import type { Value } from '../../protocol/json';
import type { CompositeStep, Step } from '../../protocol/plan';
import type { Entry } from '../entries';
import type { Scope, World } from '../scope';
import { outputName } from './branch-keys';
import { isAggregator, isRouter } from './children';
import { lastOutput, type Visit } from './strategy';

/** A child, by its step; in a map for which entry. */
export interface ChildOf {
  readonly step: CompositeStep;
  readonly child: number;
  readonly entry?: Entry | undefined;
}

/** What a child that is about to start sees: all that came before it; what stands beside others only what came before the step. */
export function scopeOfChild({ step, child, entry }: ChildOf, visits: readonly Visit[], scope: Scope): Scope {
  if (step.type === 'map') return { ...scope, ...entry };
  if (step.type === 'parallel' && !isAggregator(step, child)) return scope;
  return scopeAfter(step, visits, { scope, underWay: isRouter(step, child) ? 0 : 1 });
}

/** What a strategy sees when it decides what comes after its visits. */
export function worldAfter(step: CompositeStep, visits: readonly Visit[], world: World): World {
  return { ...world, scope: scopeAfter(step, visits, { scope: world.scope, underWay: 0 }) };
}

/** What a step that is done leaves to later ones: its own output by its name, and what its children left. */
export function leavesOf(
  step: Step,
  output: Value | undefined,
  visits: readonly Visit[] = [],
): Record<string, Value> {
  const name = outputName(step);
  const own = name === undefined || output === undefined ? {} : { [name]: output };
  return { ...leftBy(step, visits), ...own };
}

function scopeAfter(
  step: CompositeStep,
  visits: readonly Visit[],
  { scope, underWay }: { readonly scope: Scope; readonly underWay: number },
): Scope {
  const last = lastOutput(visits) ?? scope.last;
  const rounds = visits.filter(({ child }) => !isRouter(step, child)).length + underWay;
  return {
    ...scope,
    outputs: { ...scope.outputs, ...leftBy(step, visits) },
    ...(last === undefined ? {} : { last }),
    ...(step.type === 'loop' || step.type === 'adaptive' ? { iteration: rounds } : {}),
  };
}

/** In the order of starts, but in plan order where all start at once. What an entry's steps leave is the entry's alone. */
function leftBy({ type }: Step, visits: readonly Visit[]): Record<string, Value> {
  if (type === 'map') return {};
  const order = type === 'parallel' ? visits.toSorted((a, b) => a.child - b.child) : visits;
  return Object.assign(
    {},
    ...order.map(({ outcome }) => (outcome?.type === 'done' ? outcome.leaves : undefined)),
  );
}
