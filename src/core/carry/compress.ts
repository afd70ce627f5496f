import type { Value } from '../../protocol/json';
import type { CompositeStep } from '../../protocol/plan';
import { isRouter } from '../strategies/children';
import { outputOf, type Visit } from '../strategies/strategy';

/**
 * Visits that come one after another, without what nobody can see any more: only the last output counts, and what a
 * router said last; what all of them left goes with the last of them. Strategies decide on these as on the full ones.
 */
export function compressed(step: CompositeStep, visits: readonly Visit[]): readonly Visit[] {
  if (step.type === 'parallel') return visits;
  if (step.type === 'map') return visits.map(withoutLeaves);
  const kept = new Set([
    visits.findLastIndex((visit) => outputOf(visit) !== undefined),
    visits.findLastIndex((visit) => !isRouter(step, visit.child) && outputOf(visit) !== undefined),
  ]);
  const last = visits.findLastIndex(({ outcome }) => outcome?.type === 'done');
  const leaves: Record<string, Value> = Object.assign(
    {},
    ...visits.map(({ outcome }) => (outcome?.type === 'done' ? outcome.leaves : undefined)),
  );
  return visits.map((visit, index) => {
    const { child, outcome } = visit;
    if (outcome?.type !== 'done') return visit;
    const output = kept.has(index) ? outcome.output : undefined;
    return {
      child,
      outcome: {
        type: 'done',
        ...(output === undefined ? {} : { output }),
        ...(index === last ? { leaves } : {}),
      },
    };
  });
}

/** What an entry's steps have left nobody sees who comes after. */
function withoutLeaves(visit: Visit): Visit {
  const { child, outcome } = visit;
  if (outcome?.type !== 'done' || outcome.output === undefined) return visit;
  return { child, outcome: { type: 'done', output: outcome.output } };
}
