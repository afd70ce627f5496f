import { LIMITS } from '../protocol/limits';
import type { Step } from '../protocol/plan';
import { agentsOf, ROOT_ADDRESS } from './addresses';
import { agentProblems } from './plan/agent-problems';
import { worstCase } from './plan/bounds';
import { idProblems } from './plan/id-problems';
import { innerPlaces, type Place, placesOf, rootPlace } from './plan/places';
import type { Catalogue, PlanProblem } from './plan/problem';
import { reachProblems, timeProblems } from './plan/reach-problems';
import { readProblems } from './plan/read-problems';

export { expandPlan } from './plan/expand';
export type { Catalogue, PlanProblem } from './plan/problem';

/** Every problem of a plan at once, each with its place and a way out. An empty list means that it may start. */
export function planProblems(plan: Step, catalogue: Catalogue): readonly PlanProblem[] {
  const root = rootPlace(plan);
  const places = placesOf(root, LIMITS.planDepth + 1);
  const deep = places.filter(({ depth }) => depth > LIMITS.planDepth);
  const problems = [
    ...deep.map(({ path }) => tooDeep(path)),
    ...places.flatMap((place) => agentProblems(place, catalogue)),
    ...places.flatMap(contextProblems),
  ];
  // What lies below the deepest allowed step has not been looked at, so nothing can be said of the whole.
  if (deep.length > 0) return problems;
  return [
    ...problems,
    ...limitProblems(plan, places),
    ...places.flatMap(reachProblems),
    ...timesWithin(root, undefined),
    ...runsOf(root, places).flatMap((run) => [
      ...idProblems(placesOfRun(run)),
      ...readProblems(run, catalogue),
    ]),
  ];
}

function tooDeep(path: string): PlanProblem {
  return { path, message: `is nested deeper than ${LIMITS.planDepth} steps`, hint: 'flatten the plan' };
}

/** One run has one context. */
function contextProblems({ step, path, address }: Place): readonly PlanProblem[] {
  if (step.context === undefined || address === ROOT_ADDRESS) return [];
  const hint = "say it at the outermost step of the plan, or of the child run's plan";
  return [{ path: `${path}.context`, message: 'stands inside of the plan', hint }];
}

function limitProblems(plan: Step, places: readonly Place[]): readonly PlanProblem[] {
  const agents = agentsOf(plan).length;
  const executions = worstCase(plan);
  const deepest = places.find(({ runs }) => runs > LIMITS.runDepth);
  const problems: PlanProblem[] = [];
  if (agents > LIMITS.agentsPerRun)
    problems.push({
      path: 'plan',
      message: `names ${agents} agents; the limit is ${LIMITS.agentsPerRun}`,
      hint: 'split the work into several runs',
    });
  if (executions > LIMITS.executionsPerRun)
    problems.push({
      path: 'plan',
      message: `can come to ${executions} agent executions; the limit is ${LIMITS.executionsPerRun}`,
      hint: 'lower maxIterations, maxSteps, maxItems or maxAttempts, which multiply where they are nested',
    });
  if (deepest !== undefined)
    problems.push({
      path: deepest.path,
      message: `is a run inside ${deepest.runs - 1} others; the limit is ${LIMITS.runDepth}`,
      hint: 'use steps instead of child runs',
    });
  return problems;
}

/** Time limits from the outside in. */
function timesWithin(place: Place, enclosing: number | undefined): readonly PlanProblem[] {
  const own = 'timeoutMs' in place.step ? place.step.timeoutMs : undefined;
  const limit = Math.min(own ?? Infinity, enclosing ?? Infinity);
  const inner = innerPlaces(place).flatMap((child) => timesWithin(child, limit));
  return [...timeProblems(place, enclosing), ...inner];
}

/** The plan itself and the plans of its child runs. */
function runsOf(root: Place, places: readonly Place[]): readonly Place[] {
  return [root, ...places.filter(({ step }) => step.type === 'run').flatMap(innerPlaces)];
}

/** The steps of one run: a child run's are its own. */
function placesOfRun(place: Place): readonly Place[] {
  if (place.step.type === 'run') return [place];
  return [place, ...innerPlaces(place).flatMap(placesOfRun)];
}
