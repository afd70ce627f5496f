import { LIMITS } from '../../protocol/limits';
import type { Step } from '../../protocol/plan';
import { type Place, placesOf, rootPlace } from './places';
import type { PlanProblem } from './problem';

/** What the language has and the run workflow does not carry out yet. */
export function notYetProblems(plan: Step): readonly PlanProblem[] {
  return placesOf(rootPlace(plan), LIMITS.planDepth).flatMap(problemsAt);
}

function problemsAt({ step, path }: Place): readonly PlanProblem[] {
  return fieldsNotYet(step).map((field) => ({
    path: `${path}.${field}`,
    message: 'cannot be carried out yet',
    hint: 'use agent, sequence and parallel steps',
  }));
}

const TYPES: ReadonlySet<Step['type']> = new Set(['agent', 'sequence', 'parallel']);

function fieldsNotYet(step: Step): readonly string[] {
  if (!TYPES.has(step.type)) return ['type'];
  const fields: string[] = step.when === undefined ? [] : ['when'];
  if (step.type === 'agent') return fields;
  if ('timeoutMs' in step && step.timeoutMs !== undefined) fields.push('timeoutMs');
  if ('retry' in step && step.retry !== undefined) fields.push('retry');
  if (step.type !== 'parallel') return fields;
  if (step.quorum !== undefined) fields.push('quorum');
  const { aggregate } = step;
  if (typeof aggregate === 'object' && !('agent' in aggregate)) fields.push('aggregate');
  return fields;
}
