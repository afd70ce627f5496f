import type { SequenceStep } from '../../protocol/plan';
import { firstFailure, isRunning, lastOutput, type Strategy } from './strategy';

/** One after another; the last output that there is becomes the step's output. */
export const sequential: Strategy<SequenceStep> = ({ children, visits }) => {
  const failure = firstFailure(visits);
  if (failure !== undefined) return { type: 'fail', failure };
  if (visits.some(isRunning)) return { type: 'wait' };
  if (visits.length < children.length) return { type: 'start', children: [visits.length] };
  return { type: 'finish', output: lastOutput(visits) ?? { inline: null } };
};
