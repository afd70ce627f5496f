import type { Value } from '../../protocol/json';
import type { ParallelStep, Step } from '../../protocol/plan';
import { firstFailure, type Decision, type Strategy, type StrategyView, type Visit } from './strategy';

/** All at once, at most `maxConcurrency` at a time; the aggregator, the child after the branches, sees what came of them. */
export const parallel: Strategy<ParallelStep> = (view) => {
  const { step, visits } = view;
  const failure = firstFailure(visits);
  if (failure !== undefined) return { type: 'fail', failure };
  const running = visits.filter((visit) => visit.outcome === undefined).length;
  const started = visits.length;
  if (started < step.steps.length) return startMore(view, running);
  if (running > 0) return { type: 'wait' };
  const done = visits.filter((visit) => visit.outcome?.type === 'done');
  if (done.length === 0) return allSkipped(step);
  return aggregate(view);
};

function startMore({ step, visits }: StrategyView<ParallelStep>, running: number): Decision {
  const free = (step.maxConcurrency ?? step.steps.length) - running;
  const count = Math.min(free, step.steps.length - visits.length);
  if (count <= 0) return { type: 'wait' };
  return { type: 'start', children: Array.from({ length: count }, (_, i) => visits.length + i) };
}

function allSkipped(step: ParallelStep): Decision {
  const message = `All ${step.steps.length} parallel branches failed; see the degraded agents for each reason`;
  return { type: 'fail', failure: { code: 'AGENT_FAILED', message } };
}

function aggregate({ step, children, visits }: StrategyView<ParallelStep>): Decision {
  const branches = visits.slice(0, step.steps.length);
  if (step.aggregate === 'concat') return { type: 'finish', output: { list: outputsOf(branches) } };
  if (step.aggregate === undefined || step.aggregate === 'merge')
    return { type: 'finish', output: { record: byBranch(step.steps, branches) } };
  const aggregator = visits[step.steps.length];
  if (aggregator === undefined) return { type: 'start', children: [children.length - 1] };
  const output = aggregator.outcome?.type === 'done' ? aggregator.outcome.output : { inline: null };
  return { type: 'finish', output };
}

function outputsOf(branches: readonly Visit[]): Value[] {
  return inBranchOrder(branches).flatMap(({ outcome }) => (outcome?.type === 'done' ? [outcome.output] : []));
}

function byBranch(steps: readonly Step[], branches: readonly Visit[]): Record<string, Value> {
  const record: Record<string, Value> = {};
  for (const { child, outcome } of inBranchOrder(branches))
    if (outcome?.type === 'done') record[freeKey(record, steps[child], child)] = outcome.output;
  return record;
}

/** An agent's branch goes by its name, any other by its number; a name taken twice gets its number as well. */
function freeKey(taken: Record<string, Value>, step: Step | undefined, child: number): string {
  if (step?.type !== 'agent') return `branch-${child + 1}`;
  return Object.hasOwn(taken, step.agent) ? `${step.agent}-${child + 1}` : step.agent;
}

function inBranchOrder(branches: readonly Visit[]): Visit[] {
  return branches.toSorted((a, b) => a.child - b.child);
}
