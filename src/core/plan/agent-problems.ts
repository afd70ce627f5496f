import type { AgentName } from '../../protocol/agent';
import type { Json, JsonObject } from '../../protocol/json';
import type { Step } from '../../protocol/plan';
import { childrenOf, isAggregator, isComposite, isRouter } from '../strategies/children';
import { misfitsOf } from './input-fit';
import type { Place } from './places';
import { typesInWords } from './schema';
import { type AgentSchemas, type Catalogue, listed, type PlanProblem } from './problem';

/** An agent that a step names, where, and what it is given there. */
interface Use {
  readonly name: AgentName;
  readonly path: string;
  readonly input: Json | undefined;
  readonly inputPath: string;
}

/** Unknown agents and stored plans, and inputs that an agent's schema does not take. */
export function agentProblems(place: Place, catalogue: Catalogue): readonly PlanProblem[] {
  return [
    ...usesOf(place).flatMap((use) => useProblems(use, catalogue)),
    ...storedProblems(place, catalogue),
  ];
}

function usesOf({ step, path }: Place): readonly Use[] {
  const { onFailure } = step;
  const uses: Use[] = [];
  if (step.type === 'agent')
    uses.push({ name: step.agent, path: `${path}.agent`, input: step.input, inputPath: `${path}.input` });
  for (const [child, where] of helpersOf(step))
    uses.push({
      name: child.agent,
      path:
        step.type === 'adaptive' && step.router.by === 'model' ? `${path}.router` : `${path}.${where}.agent`,
      input: child.input,
      inputPath: `${path}.${where}.input`,
    });
  if (typeof onFailure === 'object' && 'agent' in onFailure.fallback) {
    const fallback = `${path}.onFailure.fallback.agent`;
    uses.push({ name: onFailure.fallback.agent, path: fallback, input: undefined, inputPath: fallback });
  }
  return uses;
}

/** Aggregating and routing agents. */
function helpersOf(step: Step): [Extract<Step, { type: 'agent' }>, string][] {
  if (!isComposite(step)) return [];
  return childrenOf(step).flatMap((child, index): [Extract<Step, { type: 'agent' }>, string][] => {
    if (child.type !== 'agent') return [];
    if (isAggregator(step, index)) return [[child, 'aggregate']];
    return isRouter(step, index) ? [[child, 'router']] : [];
  });
}

function useProblems(use: Use, { agents }: Catalogue): readonly PlanProblem[] {
  const known = agents.get(use.name);
  return known === undefined ? [unknownAgent(use, agents)] : inputProblems(use, known);
}

function inputProblems(
  { name, input, inputPath }: Use,
  { inputSchema }: AgentSchemas,
): readonly PlanProblem[] {
  if (inputSchema === undefined) return [];
  if (inputSchema === null)
    return input === undefined || input === null
      ? []
      : [{ path: inputPath, message: `is given to "${name}", which takes no input`, hint: 'remove it' }];
  return misfitsOf(inputSchema, input ?? {}).map(({ path, message }) => ({
    path: `${inputPath}${path}`,
    message,
    hint: `"${name}" takes ${fieldsOf(inputSchema)}`,
  }));
}

function fieldsOf(schema: JsonObject): string {
  const { properties } = schema;
  const fields = typeof properties === 'object' && properties !== null ? Object.keys(properties) : [];
  return fields.length > 0 ? `the fields ${listed(fields, '')}` : `a value of type ${typesInWords(schema)}`;
}

function unknownAgent({ path, name }: Use, agents: Catalogue['agents']): PlanProblem {
  const names = [...agents.keys()].toSorted();
  const near = names.find((candidate) => candidate.startsWith(name.slice(0, 3)));
  const guess = near === undefined ? '' : `; did you mean "${near}"?`;
  const hint =
    names.length === 0 ? 'no worker has registered any agent yet' : `known agents: ${listed(names, 'none')}`;
  return { path, message: `names the unknown agent "${name}"${guess}`, hint };
}

function storedProblems({ step, path }: Place, { plans }: Catalogue): readonly PlanProblem[] {
  if (step.type !== 'run' || step.stored === undefined || plans === undefined) return [];
  const { name } = step.stored;
  if (plans.has(name)) return [];
  const hint = `stored plans: ${listed(plans, 'none yet')}`;
  return [{ path: `${path}.stored.name`, message: `names the unknown plan "${name}"`, hint }];
}
