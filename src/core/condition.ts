import type { Step } from '../protocol/plan';
import { evaluate } from './predicate';
import { lookInto, type World } from './scope';
import type { Decided } from './strategies/strategy';

/** The decision to leave a step out, since its condition does not hold where it is due; undefined where it runs. */
export function leftOut({ when }: Step, world: World): Decided | undefined {
  if (when === undefined || evaluate(when, lookInto(world))) return undefined;
  const reason = 'its condition does not hold';
  return { kind: 'condition', chosen: 'leave out', reason, alternatives: ['run'] };
}
