import type { AdaptiveStep } from '../../protocol/plan';
import { DEFAULTS } from '../../protocol/limits';
import { lookUp } from '../facts';
import { evaluate } from '../predicate';
import { lookInto } from '../scope';
import { worldAfter } from './child-scope';
import { isRouter } from './children';
import {
  type Decided,
  type Decision,
  firstFailure,
  isRunning,
  outputOf,
  type Strategy,
  type StrategyView,
  type Visit,
} from './strategy';

type View = StrategyView<AdaptiveStep>;

/** Where to go next, and why: an option's id, `finish` or `fail`. */
interface Route {
  readonly kind: 'route' | 'hand-off';
  readonly next: string;
  readonly reason: string;
}

/** Where a routing agent's answer has what. */
export const ROUTE_POINTERS = { next: '/next', reason: '/reason' } as const;
const REASON_CHARS = 500;

/** One option after another: the one that the last output hands off to, else the one that the router chooses. */
export const adaptive: Strategy<AdaptiveStep> = (view) => {
  const { step, visits } = view;
  const failure = firstFailure(visits);
  if (failure !== undefined) return { type: 'fail', failure };
  if (visits.some(isRunning)) return { type: 'wait' };
  const last = visits.at(-1);
  if (last === undefined && step.first !== undefined)
    return take(view, { kind: 'route', next: step.first, reason: 'the plan begins with it' });
  if (last !== undefined && isRouter(step, last.child)) return take(view, answered(view, last));
  const handOff = last === undefined ? undefined : handedOff(view, last);
  if (handOff !== undefined) return take(view, handOff);
  if (step.router.by !== 'rules') return { type: 'start', children: [step.options.length] };
  return take(view, ruled(view, step.router));
};

function ruled(view: View, router: Extract<AdaptiveStep['router'], { by: 'rules' }>): Route {
  const look = lookInto(worldAfter(view.step, view.visits, view.world));
  const index = router.rules.findIndex(({ when }) => evaluate(when, look));
  const rule = router.rules[index];
  if (rule === undefined)
    return { kind: 'route', next: router.otherwise ?? 'finish', reason: 'no rule holds' };
  return { kind: 'route', next: rule.next, reason: `rule ${index + 1} holds` };
}

/** What a routing agent answered; where that names nothing that there is, `otherwise`. */
function answered({ step, world }: View, visit: Visit): Route {
  const output = outputOf(visit) ?? { inline: null };
  const next = lookUp(output, ROUTE_POINTERS.next, world.facts);
  const reason = lookUp(output, ROUTE_POINTERS.reason, world.facts);
  if (typeof next === 'string' && isPlace(step, next))
    return {
      kind: 'route',
      next,
      reason: typeof reason === 'string' ? reason.slice(0, REASON_CHARS) : 'the router gave no reason',
    };
  const why =
    visit.outcome?.type === 'skipped'
      ? 'the router failed'
      : `the router named ${typeof next === 'string' ? `"${next.slice(0, 64)}", which is no option` : 'no option'}`;
  return { kind: 'route', next: step.router.otherwise ?? 'fail', reason: why };
}

/** The option that an output hands off to; undefined where it names none, so that the router chooses. */
function handedOff({ step, world }: View, visit: Visit): Route | undefined {
  const output = outputOf(visit);
  if (step.handOff === undefined || output === undefined) return undefined;
  const next = lookUp(output, step.handOff, world.facts);
  if (typeof next !== 'string' || !isPlace(step, next)) return undefined;
  const from = step.options[visit.child]?.id;
  return { kind: 'hand-off', next, reason: `"${from}" handed off at ${step.handOff}` };
}

function isPlace({ options }: AdaptiveStep, next: string): boolean {
  return next === 'finish' || options.some(({ id }) => id === next);
}

/** Goes where the route leads, unless the step has gone far enough. */
function take({ step, visits }: View, route: Route): Decision {
  const { next, reason, kind } = route;
  const options = visits.filter(({ child }) => !isRouter(step, child));
  const output = options.map(outputOf).findLast((found) => found !== undefined) ?? { inline: null };
  const alternatives = [...step.options.map(({ id }) => id), 'finish'].filter((id) => id !== next);
  const decided: Decided = { kind, chosen: next, reason, alternatives };
  if (next === 'finish') return { type: 'finish', output, decided: [decided] };
  const child = step.options.findIndex(({ id }) => id === next);
  if (child < 0) {
    const message = `The adaptive step has no way on: ${reason}`;
    return { type: 'fail', failure: { code: 'STEP_UNDECIDED', message }, decided: [decided] };
  }
  if (options.length < (step.maxSteps ?? DEFAULTS.adaptiveSteps))
    return { type: 'start', children: [child], decided: [decided] };
  const message = `"${next}" would be option ${options.length + 1}; the step's limit is ${options.length}`;
  const limit: Decided = { kind: 'limit', chosen: step.onLimit ?? 'fail', reason: message, alternatives: [] };
  if (step.onLimit === 'finish') return { type: 'finish', output, decided: [decided, limit] };
  return { type: 'fail', failure: { code: 'STEP_LIMIT', message }, decided: [decided, limit] };
}
