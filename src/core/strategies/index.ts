import type { CompositeStep, Step } from '../../protocol/plan';
import { parallel } from './parallel';
import { sequential } from './sequential';
import type { Decision, Visit } from './strategy';

/** Asks the strategy that the step's type stands for. */
export function decide(step: CompositeStep, visits: readonly Visit[]): Decision {
  const children = childrenOf(step);
  switch (step.type) {
    case 'sequence':
      return sequential({ step, children, visits });
    case 'parallel':
      return parallel({ step, children, visits });
  }
}

/** A step's children as its strategy numbers them; an aggregating agent is the one after the branches. */
export function childrenOf(step: CompositeStep): readonly Step[] {
  if (step.type !== 'parallel' || typeof step.aggregate !== 'object') return step.steps;
  return [...step.steps, { type: 'agent', onFailure: 'fail', ...step.aggregate }];
}

/** Whether a child is its step's aggregator rather than one of the steps themselves. */
export function isAggregator(step: CompositeStep, child: number): boolean {
  return step.type === 'parallel' && child >= step.steps.length;
}
