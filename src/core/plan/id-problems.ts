import { outputName } from '../strategies/branch-keys';
import type { Place } from './places';
import type { PlanProblem } from './problem';

/** Names that would make `/outputs/<name>` mean two things, within one run. */
export function idProblems(places: readonly Place[]): readonly PlanProblem[] {
  const names = new Map<string, string[]>();
  for (const { step, path } of places) {
    const name = outputName(step);
    if (name !== undefined) names.set(name, [...(names.get(name) ?? []), path]);
  }
  return places.flatMap(({ step, path }) => {
    if (step.id === undefined) return [];
    const other = names.get(step.id)?.find((one) => one !== path);
    if (other === undefined) return [];
    const message = `is "${step.id}", under which the output of ${other} is found too`;
    return [
      { path: `${path}.id`, message, hint: 'choose an id that no other step and no agent in the plan has' },
    ];
  });
}
