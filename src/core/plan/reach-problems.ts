import type { AdaptiveStep, LoopStep, ParallelStep, Step } from '../../protocol/plan';
import { pointersOf } from '../predicate';
import { tokensOf } from '../pointer';
import type { Place } from './places';
import type { PlanProblem } from './problem';

/** Parts of a step that nothing leads to, and rounds that nothing ends. */
export function reachProblems({ step, path }: Place): readonly PlanProblem[] {
  switch (step.type) {
    case 'parallel':
      return quorumProblems(step, path);
    case 'adaptive':
      return [...optionProblems(step, path), ...ruleProblems(step, path), ...endProblems(step, path)];
    case 'loop':
      return loopProblems(step, path);
    case 'agent':
    case 'sequence':
    case 'map':
    case 'run':
    case 'approval':
    case 'wait':
      return [];
  }
}

/** A limit of time that an enclosing step's shorter one makes void. */
export function timeProblems(place: Place, enclosing: number | undefined): readonly PlanProblem[] {
  const own = ownTime(place.step);
  if (own === undefined || enclosing === undefined || own.ms <= enclosing) return [];
  return [
    {
      path: `${place.path}.${own.field}`,
      message: `is ${own.ms} ms, but a step around it ends after ${enclosing} ms`,
      hint: 'shorten it, or give the step around it more time',
    },
  ];
}

function ownTime(step: Step): { readonly field: string; readonly ms: number } | undefined {
  if (step.type === 'wait' && step.for === 'timer') return { field: 'durationMs', ms: step.durationMs };
  return step.timeoutMs === undefined ? undefined : { field: 'timeoutMs', ms: step.timeoutMs };
}

function quorumProblems({ quorum, steps }: ParallelStep, path: string): readonly PlanProblem[] {
  if (typeof quorum !== 'object' || quorum.first <= steps.length) return [];
  return [
    {
      path: `${path}.quorum.first`,
      message: `wants ${quorum.first} of ${steps.length} branches`,
      hint: `at most ${steps.length} can succeed`,
    },
  ];
}

const ENDS: ReadonlySet<string> = new Set(['finish', 'fail']);

/** Every place where an adaptive step names what comes next. */
function namedNext(step: AdaptiveStep): [string, string][] {
  const { router, first } = step;
  const named: [string, string][] = [];
  if (first !== undefined) named.push(['first', first]);
  if (router.by === 'rules')
    router.rules.forEach(({ next }, i) => named.push([`router.rules[${i}].next`, next]));
  if (router.otherwise !== undefined) named.push(['router.otherwise', router.otherwise]);
  return named;
}

function optionProblems(step: AdaptiveStep, path: string): readonly PlanProblem[] {
  const ids = step.options.map(({ id }) => id);
  const known = `options: ${ids.join(', ')}`;
  const unknown = namedNext(step)
    .filter(([where, next]) => !ids.includes(next) && (where === 'first' || !ENDS.has(next)))
    .map(([where, next]) => ({
      path: `${path}.${where}`,
      message: `names "${next}", which is no option`,
      hint: where === 'first' ? known : `${known}; finish and fail end the step`,
    }));
  const wrong = ids.flatMap((id, index) => {
    const at = `${path}.options[${index}].id`;
    if (ENDS.has(id))
      return [{ path: at, message: `is "${id}", a word that ends the step`, hint: 'choose another id' }];
    if (ids.indexOf(id) < index)
      return [{ path: at, message: `is "${id}", which an option before it has`, hint: 'choose another id' }];
    return [];
  });
  return [...unknown, ...wrong, ...unreachableOptions(step, path)];
}

/** Agents, models and hand-offs may choose any option; rules only those that they name. */
function unreachableOptions(step: AdaptiveStep, path: string): readonly PlanProblem[] {
  if (step.router.by !== 'rules' || step.handOff !== undefined) return [];
  const named = new Set(namedNext(step).map(([, next]) => next));
  return step.options.flatMap(({ id }, index) =>
    named.has(id)
      ? []
      : [
          {
            path: `${path}.options[${index}]`,
            message: `can never be chosen: no rule leads to "${id}"`,
            hint: 'name it in a rule, as first or as otherwise, or remove it',
          },
        ],
  );
}

/** The first rule that holds counts, so one that repeats an earlier condition never does. */
function ruleProblems({ router }: AdaptiveStep, path: string): readonly PlanProblem[] {
  if (router.by !== 'rules') return [];
  const conditions = router.rules.map(({ when }) => JSON.stringify(when));
  return conditions.flatMap((condition, index) => {
    const earlier = conditions.indexOf(condition);
    if (earlier === index) return [];
    return [
      {
        path: `${path}.router.rules[${index}]`,
        message: `can never count: rule ${earlier + 1} has the same condition`,
        hint: 'remove one of them',
      },
    ];
  });
}

/** Rules that never lead to an end go round until the limit. */
function endProblems(step: AdaptiveStep, path: string): readonly PlanProblem[] {
  const { router, handOff, onLimit } = step;
  if (router.by !== 'rules' || handOff !== undefined || onLimit === 'finish') return [];
  const after = [...router.rules.map(({ next }) => next), router.otherwise ?? 'finish'];
  if (after.some((next) => ENDS.has(next))) return [];
  return [
    {
      path: `${path}.router`,
      message: 'never ends the step: no rule leads to finish, and otherwise leads to an option',
      hint: 'let a rule or otherwise lead to finish, or set onLimit to finish',
    },
  ];
}

/** What a loop does not change answers the same after every round. */
const CONSTANT_ROOTS: ReadonlySet<string | undefined> = new Set(['task', 'input', 'item', 'index']);

function loopProblems({ until, maxIterations }: LoopStep, path: string): readonly PlanProblem[] {
  if (until === undefined) return [];
  const roots = pointersOf(until).map((pointer) => tokensOf(pointer)[0]);
  if (roots.some((root) => !CONSTANT_ROOTS.has(root))) return [];
  return [
    {
      path: `${path}.until`,
      message: `asks only for what the loop cannot change, so it ends after one pass or after all ${maxIterations}`,
      hint: 'ask for /last, /outputs, /context or /iteration',
    },
  ];
}
