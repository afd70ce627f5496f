import type { SequenceStep } from '../../protocol/plan';
import { firstFailure, type Strategy } from './strategy';

/** One after another; the last output that there is becomes the step's output. */
export const sequential: Strategy<SequenceStep> = ({ children, visits }) => {
  const failure = firstFailure(visits);
  if (failure !== undefined) return { type: 'fail', failure };
  if (visits.some((visit) => visit.outcome === undefined)) return { type: 'wait' };
  if (visits.length < children.length) return { type: 'start', children: [visits.length] };
  const outputs = visits.flatMap(({ outcome }) => (outcome?.type === 'done' ? [outcome.output] : []));
  return { type: 'finish', output: outputs.at(-1) ?? { inline: null } };
};
