import type { LoopStep } from '../../protocol/plan';
import { evaluate } from '../predicate';
import { lookInto } from '../scope';
import { worldAfter } from './child-scope';
import { firstFailure, isRunning, lastOutput, type Strategy, type StrategyView } from './strategy';

/** The same child again until the predicate holds. At the limit it fails, unless the step says that it may finish. */
export const loop: Strategy<LoopStep> = (view) => {
  const { step, visits } = view;
  const failure = firstFailure(visits);
  if (failure !== undefined) return { type: 'fail', failure };
  if (visits.some(isRunning)) return { type: 'wait' };
  const passes = visits.length;
  const output = lastOutput(visits) ?? { inline: null };
  if (step.until === undefined)
    return passes < step.maxIterations ? { type: 'start', children: [0] } : { type: 'finish', output };
  if (passes === 0) return { type: 'start', children: [0] };
  if (hasEnded(view)) return { type: 'finish', output, decided: [decided('finish', passes)] };
  if (passes < step.maxIterations)
    return { type: 'start', children: [0], decided: [decided('repeat', passes)] };
  const message = `The loop's condition does not hold after ${passes} passes, its limit`;
  const limit = { kind: 'limit', chosen: step.onLimit ?? 'fail', reason: message, alternatives: [] } as const;
  if (step.onLimit === 'finish') return { type: 'finish', output, decided: [limit] };
  return { type: 'fail', failure: { code: 'STEP_LIMIT', message }, decided: [limit] };
};

function hasEnded({ step, visits, world }: StrategyView<LoopStep>): boolean {
  return step.until !== undefined && evaluate(step.until, lookInto(worldAfter(step, visits, world)));
}

function decided(chosen: 'finish' | 'repeat', passes: number) {
  const holds = chosen === 'finish' ? 'holds' : 'does not hold';
  const reason = `the loop's condition ${holds} after ${passes === 1 ? '1 pass' : `${passes} passes`}`;
  return { kind: 'loop', chosen, reason, alternatives: [chosen === 'finish' ? 'repeat' : 'finish'] } as const;
}
