import { LIMITS } from '../../protocol/limits';
import type { Step } from '../../protocol/plan';
import { type Place, placesOf, rootPlace } from './places';
import type { PlanProblem } from './problem';

/** What the language has and the run workflow does not carry out yet. */
export function notYetProblems(plan: Step): readonly PlanProblem[] {
  return placesOf(rootPlace(plan), LIMITS.planDepth).flatMap(problemsAt);
}

function problemsAt({ step, path }: Place): readonly PlanProblem[] {
  const field = fieldNotYet(step);
  if (field === undefined) return [];
  const hint = 'use agent, sequence, parallel, adaptive, loop, map, run and wait steps';
  return [{ path: `${path}.${field}`, message: 'cannot be carried out yet', hint }];
}

function fieldNotYet(step: Step): string | undefined {
  return step.type === 'approval' ? 'type' : undefined;
}
