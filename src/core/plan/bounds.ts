import type { Step } from '../../protocol/plan';
import type { RunBounds } from '../../protocol/run';
import { DEFAULTS } from '../../protocol/limits';
import { partsOf } from '../addresses';
import { childrenOf } from '../strategies/children';

/** How many agent executions a step can come to at worst, attempts of agents not counted, child runs included. */
export function worstCase(step: Step): number {
  const attempts = step.type !== 'agent' && 'retry' in step ? (step.retry?.maxAttempts ?? 1) : 1;
  const fallback = typeof step.onFailure === 'object' && 'agent' in step.onFailure.fallback ? 1 : 0;
  return attempts * onceThrough(step) + fallback;
}

function onceThrough(step: Step): number {
  switch (step.type) {
    case 'agent':
      return 1;
    case 'sequence':
    case 'parallel':
      return sum(childrenOf(step).map(worstCase));
    case 'adaptive': {
      const steps = step.maxSteps ?? DEFAULTS.adaptiveSteps;
      const largest = Math.max(...step.options.map((option) => worstCase(option.step)));
      // It is asked once more than it is followed: to hear that it is time to finish.
      return steps * largest + (step.router.by === 'rules' ? 0 : steps + 1);
    }
    case 'loop':
      return step.maxIterations * worstCase(step.step);
    case 'map':
      return (step.maxItems ?? DEFAULTS.mapItems) * worstCase(step.step);
    case 'run':
      return step.plan === undefined ? 0 : worstCase(step.plan);
    case 'approval':
    case 'wait':
      return 0;
  }
}

/** How many outputs of agents a plan can have at once: those of a map for each of its entries. */
export function outputsAtOnce(step: Step): number {
  const own = step.type === 'agent' ? 1 : 0;
  const fallback = typeof step.onFailure === 'object' && 'agent' in step.onFailure.fallback ? 1 : 0;
  const inner = sum(partsOf(step).map(outputsAtOnce));
  return own + fallback + (step.type === 'map' ? (step.maxItems ?? DEFAULTS.mapItems) * inner : inner);
}

/** What a child run may do, once its parent has made so many executions; undefined where it may not be started. */
export function boundsOfChild(parent: RunBounds, used: number): RunBounds | undefined {
  const executions = parent.executions - used;
  return executions > 0 && parent.depth > 0 ? { executions, depth: parent.depth - 1 } : undefined;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
