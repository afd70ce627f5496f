import { LIMITS } from '../protocol/limits';
import type { AgentName } from '../protocol/agent';
import type { PlanShorthand, Step } from '../protocol/plan';
import { agentsOf } from './addresses';

/** One thing wrong with a plan: where, what, and the way out. */
export interface PlanProblem {
  readonly path: string;
  readonly message: string;
  readonly hint: string;
}

/** Says `{strategy, agents}` as the plan it stands for; a full plan stays as it is. */
export function expandPlan(plan: PlanShorthand | Step): Step {
  if (!('strategy' in plan)) return plan;
  const steps = plan.agents.map((agent) => ({ type: 'agent', agent }) as const);
  switch (plan.strategy) {
    case 'sequential':
      return { type: 'sequence', steps };
    case 'parallel':
      return { type: 'parallel', steps, aggregate: plan.aggregate ?? 'merge' };
  }
}

/** Every problem of a plan at once: unknown agents, depth, number of agents. An empty list means that it may start. */
export function planProblems(plan: Step, known: ReadonlySet<AgentName>): readonly PlanProblem[] {
  const problems = stepProblems({ step: plan, path: 'plan', depth: 1 }, known);
  const count = agentsOf(plan).length;
  if (count > LIMITS.agentsPerRun)
    problems.push({
      path: 'plan',
      message: `names ${count} agents; the limit is ${LIMITS.agentsPerRun}`,
      hint: 'split the work into several runs',
    });
  return problems;
}

interface Place {
  readonly step: Step;
  readonly path: string;
  readonly depth: number;
}

function stepProblems({ step, path, depth }: Place, known: ReadonlySet<AgentName>): PlanProblem[] {
  if (depth > LIMITS.planDepth)
    return [{ path, message: `is nested deeper than ${LIMITS.planDepth} steps`, hint: 'flatten the plan' }];
  const problems = namesIn(step, path).flatMap(([at, name]) =>
    known.has(name) ? [] : [unknownAgent(at, name, known)],
  );
  if (step.type === 'agent') return problems;
  const children = step.steps.flatMap((child, i) =>
    stepProblems({ step: child, path: `${path}.steps[${i}]`, depth: depth + 1 }, known),
  );
  return [...problems, ...children];
}

function namesIn(step: Step, path: string): [string, AgentName][] {
  const names: [string, AgentName][] = [];
  if (step.type === 'agent') names.push([`${path}.agent`, step.agent]);
  if (step.type === 'parallel' && typeof step.aggregate === 'object')
    names.push([`${path}.aggregate.agent`, step.aggregate.agent]);
  if (typeof step.onFailure === 'object' && 'agent' in step.onFailure.fallback)
    names.push([`${path}.onFailure.fallback.agent`, step.onFailure.fallback.agent]);
  return names;
}

function unknownAgent(path: string, name: AgentName, known: ReadonlySet<AgentName>): PlanProblem {
  const names = [...known].toSorted();
  const near = names.find((candidate) => candidate.startsWith(name.slice(0, 3)));
  const hint =
    names.length === 0 ? 'no worker has registered any agent yet' : `known agents: ${names.join(', ')}`;
  const guess = near === undefined ? '' : `; did you mean "${near}"?`;
  return { path, message: `names the unknown agent "${name}"${guess}`, hint };
}
