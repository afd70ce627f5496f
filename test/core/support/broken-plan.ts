import type { Json, JsonObject } from '../../../src/protocol/json';
import type { Step } from '../../../src/protocol/plan';
import { placesOf, rootPlace } from '../../../src/core/plan/places';
import { LIMITS } from '../../../src/protocol/limits';
import type { Random } from '../../gate/support/random';

/** A plan with something wrong in it, and where that must be found. */
export interface Broken {
  readonly plan: Json;
  readonly path: string;
  readonly how: string;
}

/** How a step is spoilt: fields that it gets, or what it is replaced by; and where in it the fault then lies. */
interface Fault {
  readonly at: string;
  readonly fields?: JsonObject;
  readonly instead?: Json;
  /** Wrong in a whole plan only: in what goes round, a later step has an output from an earlier round. */
  readonly whole?: true;
}

const alpha = { type: 'agent', agent: 'alpha' };
const beta = { type: 'agent', agent: 'beta' };
const option = (id: string): JsonObject => ({ id, step: alpha });
const eq = (pointer: string, value: Json): JsonObject => ({ op: 'eq', pointer, value });
const adaptive = (router: Json, more: JsonObject = {}): JsonObject => ({
  type: 'adaptive',
  options: [option('one'), option('two')],
  router,
  ...more,
});
const rules = (...list: Json[]): JsonObject => ({ by: 'rules', rules: list });
const pair = (second: JsonObject): JsonObject => ({ type: 'sequence', steps: [alpha, second] });
const parallel = (more: JsonObject): JsonObject => ({ type: 'parallel', steps: [alpha, beta], ...more });

function nested(predicate: Json, times: number): Json {
  return times === 0 ? predicate : nested({ op: 'not', of: predicate }, times - 1);
}

function deep(levels: number): Json {
  return levels === 0 ? alpha : { type: 'sequence', steps: [deep(levels - 1)] };
}

const loop = (step: Json, maxIterations: number = LIMITS.loopIterations): JsonObject => ({
  type: 'loop',
  step,
  maxIterations,
});

const mode = eq('/input/mode', 'fast');

/** Every way of spoiling a plan, by name. */
export const FAULTS: Readonly<Record<string, Fault>> = {
  'an unknown type': { at: '.type', instead: { type: 'sequnce', steps: [alpha] } },
  'an unknown field': { at: '', fields: { wenn: mode } },
  'an unknown agent': { at: '.agent', instead: { type: 'agent', agent: 'alfred' } },
  'a name that is none': { at: '.agent', instead: { type: 'agent', agent: 'Not A Name' } },
  'an input of a wrong type': { at: '.input.level', instead: { ...alpha, input: { level: 'high' } } },
  'an input out of range': { at: '.input.level', instead: { ...alpha, input: { level: 10 } } },
  'an input that is not known': { at: '.input.lvl', instead: { ...alpha, input: { lvl: 1 } } },
  'an input that is not wanted': { at: '.input', instead: { type: 'agent', agent: 'judge', input: 1 } },
  'an input that is missing': { at: '.input.options', instead: { type: 'agent', agent: 'chooser' } },
  'an attempt too many': { at: '.retry.maxAttempts', instead: { ...alpha, retry: { maxAttempts: 21 } } },
  'no time': { at: '.timeoutMs', instead: { ...alpha, timeoutMs: 0 } },
  'no steps': { at: '.steps', instead: { type: 'sequence', steps: [] } },
  'a step that is none': { at: '.steps[1]', instead: { type: 'sequence', steps: [alpha, 7] } },
  'an unknown rule for failures': { at: '.onFailure', fields: { onFailure: 'ignore' } },
  'an unknown fallback': {
    at: '.onFailure.fallback.agent',
    fields: { onFailure: { fallback: { agent: 'alfred' } } },
  },
  'a condition on nothing': { at: '.when', fields: { when: eq('/outptus/alpha', 1) } },
  'a condition on an unknown output': { at: '.when', fields: { when: eq('/outputs/nobody/score', 1) } },
  'a condition on all outputs': { at: '.when', fields: { when: { op: 'exists', pointer: '/outputs' } } },
  'a condition on an output in the context': {
    at: '.when',
    fields: { when: eq('/context/outputs.alpha/verdict', 'pass') },
  },
  'an unknown operator': {
    at: '.when.op',
    fields: { when: { op: 'matches', pointer: '/task', value: 'a+' } },
  },
  'a pointer that is none': { at: '.when.pointer', fields: { when: eq('task', 'x') } },
  'a constant that is none': { at: '.when.value', fields: { when: eq('/task', ['x']) } },
  'a condition nested too deep': { at: '.when', fields: { when: nested(mode, LIMITS.predicateDepth) } },
  'a condition with too many parts': {
    at: '.when',
    fields: { when: { op: 'or', of: Array.from({ length: LIMITS.predicateParts }, () => mode) } },
  },
  'a place that a schema excludes': {
    at: '.steps[1].when',
    instead: pair({ ...beta, when: eq('/last/verdikt', 'pass') }),
  },
  'a place inside a text': {
    at: '.steps[1].when.of[0]',
    instead: pair({ ...beta, when: { op: 'and', of: [eq('/last/text/0', 'x'), mode] } }),
  },
  'a value that a schema excludes': {
    at: '.steps[1].when.of',
    instead: pair({ ...beta, when: { op: 'not', of: eq('/last/verdict', 'passed') } }),
  },
  'a text where a number stands': {
    at: '.steps[1].when',
    instead: pair({ ...beta, when: { op: 'gt', pointer: '/last/score', value: 'high' } }),
  },
  'an output of a branch beside it': {
    whole: true,
    at: '.steps[1].when',
    instead: {
      type: 'parallel',
      steps: [
        { ...alpha, id: 'left' },
        { ...beta, when: eq('/outputs/left/score', 1) },
      ],
    },
  },
  'an output that comes later': {
    whole: true,
    at: '.steps[0].when',
    instead: {
      type: 'sequence',
      steps: [
        { ...alpha, when: eq('/outputs/late/score', 1) },
        { ...beta, id: 'late' },
      ],
    },
  },
  'one id twice': { at: '.steps[1].id', instead: pair({ type: 'sequence', id: 'alpha', steps: [beta] }) },
  'more time inside than outside': {
    at: '.steps[0].timeoutMs',
    instead: { type: 'sequence', timeoutMs: 1_000, steps: [{ ...alpha, timeoutMs: 2_000 }] },
  },
  'more branches than there are': { at: '.quorum.first', instead: parallel({ quorum: { first: 3 } }) },
  'a quorum that is none': { at: '.quorum', instead: parallel({ quorum: 'most' }) },
  'a vote on nothing': { at: '.aggregate.vote', instead: parallel({ aggregate: { vote: '/verdikt' } }) },
  'the best of texts': { at: '.aggregate.best', instead: parallel({ aggregate: { best: '/text' } }) },
  'an unknown aggregator': { at: '.aggregate.agent', instead: parallel({ aggregate: { agent: 'alfred' } }) },
  'a loop without a limit': { at: '.maxIterations', instead: { type: 'loop', step: alpha } },
  'a loop on what it cannot change': { at: '.until', instead: { ...loop(alpha, 3), until: mode } },
  'loops beyond the limit of a run': { at: 'plan', instead: loop(loop(alpha)) },
  'nesting beyond the limit': { at: '', instead: deep(LIMITS.planDepth + 4) },
  'a rule to nowhere': {
    at: '.router.rules[0].next',
    instead: adaptive(rules({ when: mode, next: 'three' })),
  },
  'a first option to nowhere': {
    at: '.first',
    instead: adaptive({ by: 'agent', agent: 'chooser' }, { first: 'three' }),
  },
  'an option that nothing leads to': {
    at: '.options[1]',
    instead: adaptive(rules({ when: mode, next: 'one' })),
  },
  'a rule after its like': {
    at: '.router.rules[1]',
    instead: adaptive(rules({ when: mode, next: 'one' }, { when: mode, next: 'two' })),
  },
  'rules without an end': {
    at: '.router',
    instead: adaptive({ ...rules({ when: mode, next: 'one' }), otherwise: 'two' }),
  },
  'one option twice': {
    at: '.options[1].id',
    instead: {
      ...adaptive(rules({ when: mode, next: 'one' })),
      options: [option('one'), option('one')],
    },
  },
  'an option called finish': {
    at: '.options[0].id',
    instead: { ...adaptive(rules({ when: mode, next: 'finish' })), options: [option('finish')] },
  },
  'a router that routes nothing': {
    at: '.router',
    instead: adaptive({ by: 'agent', agent: 'numbers' }),
  },
  'a hand-off to nobody': {
    at: '.handOff',
    instead: adaptive({ by: 'agent', agent: 'chooser' }, { handOff: '/verdict' }),
  },
  'a map over a number': {
    at: '.steps[1].over',
    instead: pair({ type: 'map', over: '/last/score', step: beta }),
  },
  'a wait without an end': { at: '.timeoutMs', instead: { type: 'wait', for: 'message' } },
  'a wait for what nobody knows': { at: '.for', instead: { type: 'wait', for: 'godot', timeoutMs: 1 } },
  'an approval without an end': { at: '.timeoutMs', instead: { type: 'approval', prompt: 'May I?' } },
  'a run with two plans': {
    at: '',
    instead: { type: 'run', plan: alpha, stored: { name: 'stored' } },
  },
  'an unknown stored plan': { at: '.stored.name', instead: { type: 'run', stored: { name: 'lost' } } },
};

/** Spoils a good plan at a place of it. */
export function broken(good: Step, how: string, random: Random): Broken {
  const { at, fields, instead, whole } = FAULTS[how] ?? { at: '' };
  const places = placesOf(rootPlace(good), LIMITS.planDepth);
  const { path } = whole === true ? rootPlace(good) : random.pick(places);
  const spoil = (step: Json): Json => instead ?? { ...(step as JsonObject), ...fields };
  const plan = changed(good as unknown as Json, keysIn(path), spoil);
  return { plan, how, path: at === 'plan' ? at : `${path}${at}` };
}

/** `plan.steps[1].step` as the keys to go by: `steps`, `1`, `step`. */
function keysIn(path: string): readonly string[] {
  return path.match(/[^.[\]]+/g)?.slice(1) ?? [];
}

function changed(value: Json, [key, ...rest]: readonly string[], change: (value: Json) => Json): Json {
  if (key === undefined) return change(value);
  if (Array.isArray(value))
    return value.map((entry: Json, index) => (String(index) === key ? changed(entry, rest, change) : entry));
  const object = value as JsonObject;
  return { ...object, [key]: changed(object[key] ?? null, rest, change) };
}
