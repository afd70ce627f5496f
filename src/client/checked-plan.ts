import type { AgentVersion } from '../protocol/agent';
import type { Problem } from '../protocol/failures';
import type { Step } from '../protocol/plan';
import { agentsOf } from '../core/addresses';
import { planProblems } from '../core/plan';
import { attributed, type Inlined } from '../core/plan/inline-stored';
import type { Catalogue } from './catalogue';
import type { Faults } from './refusal';
import { characterFaults, sizeFaults } from './sizes';

/** A plan held against the catalogue: the agents that it names, and everything wrong with it. */
export interface CheckedPlan {
  readonly agents: readonly AgentVersion[];
  readonly faults: readonly Faults[];
}

/** Checks a plan as a whole. `more`: what is asked of it beyond the language. */
export async function checkedPlan(
  { plan, used, problems }: Inlined,
  catalogue: Pick<Catalogue, 'agents'>,
  more: (plan: Step) => readonly Problem[] = () => [],
): Promise<CheckedPlan> {
  const names = [...new Set(agentsOf(plan))];
  const known = new Map((await catalogue.agents(names)).map((agent) => [agent.version.name, agent]));
  const agents = new Map([...known].map(([name, { schemas }]) => [name, schemas]));
  const found = attributed([...planProblems(plan, { agents }), ...more(plan)], used);
  return {
    agents: names.flatMap((name) => known.get(name)?.version ?? []),
    faults: [...characterFaults({ plan }), ...sizeFaults({ plan }), kindOf([...problems, ...found])],
  };
}

/** Problems of a plan, under the code that says most of them all. */
export function kindOf(problems: readonly Problem[]): Faults {
  const all = (word: string): boolean =>
    problems.length > 0 && problems.every(({ message }) => message.includes(`the unknown ${word}`));
  return {
    code: all('agent') ? 'AGENT_UNKNOWN' : all('plan') ? 'PLAN_UNKNOWN' : 'PLAN_INVALID',
    problems,
  };
}
