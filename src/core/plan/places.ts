import type { Step } from '../../protocol/plan';
import { childAddress, ROOT_ADDRESS } from '../addresses';

/** A step in its plan: where it is written, and where it stands. */
export interface Place<S extends Step = Step> {
  readonly step: S;
  /** As a reader finds it: `plan.steps[1].options[0].step`. */
  readonly path: string;
  /** As runs name it: `2.1`. */
  readonly address: string;
  readonly depth: number;
  /** Runs around it. */
  readonly runs: number;
}

export function rootPlace(plan: Step): Place {
  return { step: plan, path: 'plan', address: ROOT_ADDRESS, depth: 1, runs: 0 };
}

/** The steps written inside a step, a child run's plan included; it stands in a run of its own. */
export function innerPlaces({ step, path, address, depth, runs }: Place): readonly Place[] {
  const inner = (child: Step, where: string, index: number): Place => ({
    step: child,
    path: `${path}.${where}`,
    address: childAddress(address, index),
    depth: depth + 1,
    runs,
  });
  switch (step.type) {
    case 'sequence':
    case 'parallel':
      return step.steps.map((child, index) => inner(child, `steps[${index}]`, index));
    case 'adaptive':
      return step.options.map((option, index) => inner(option.step, `options[${index}].step`, index));
    case 'loop':
    case 'map':
      return [inner(step.step, 'step', 0)];
    case 'run':
      return step.plan === undefined
        ? []
        : [{ ...inner(step.plan, 'plan', 0), address: ROOT_ADDRESS, runs: runs + 1 }];
    case 'agent':
    case 'approval':
    case 'wait':
      return [];
  }
}

/** Every place of a plan, outer before inner; none below the deepest that is allowed. */
export function placesOf(place: Place, deepest: number): readonly Place[] {
  if (place.depth >= deepest) return [place];
  return [place, ...innerPlaces(place).flatMap((inner) => placesOf(inner, deepest))];
}
