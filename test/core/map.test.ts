import fc from 'fast-check';
import { visitAddress } from '../../src/core/addresses';
import { compressed } from '../../src/core/carry/compress';
import { Packer } from '../../src/core/carry/packer';
import { Unpacker } from '../../src/core/carry/unpacker';
import { entryAt, lengthOf, within } from '../../src/core/entries';
import { factsOf, joinedFacts, lookUp, partKey } from '../../src/core/facts';
import { planProblems } from '../../src/core/plan';
import { outputsAtOnce } from '../../src/core/plan/bounds';
import { factsWanted, factsWantedAt } from '../../src/core/plan/facts-wanted';
import { pointerOf, tokensOf, valueAt } from '../../src/core/pointer';
import { EMPTY_WORLD } from '../../src/core/scope';
import { decide } from '../../src/core/strategies';
import type { StepOutcome, Visit } from '../../src/core/strategies/strategy';
import type { Json, Value } from '../../src/protocol/json';
import type { MapStep, Step } from '../../src/protocol/plan';
import { CATALOGUE } from './support/random-plan';

const alpha: Step = { type: 'agent', agent: 'alpha' };
const mapOver = (over: string, step: Step, more: Partial<MapStep> = {}): MapStep => ({
  type: 'map',
  over,
  step,
  ...more,
});
const sequence = (...steps: Step[]): Step => ({ type: 'sequence', steps });
const done = (inline: Json): StepOutcome => ({
  type: 'done',
  output: { inline },
  leaves: { alpha: { inline } },
});
const decideOn = (step: MapStep, visits: readonly Visit[], entries?: number) =>
  decide(step, visits, { ...EMPTY_WORLD, entries });

/** Carries a map out: whoever runs ends in the order that the numbers say, some of them without an output. */
function carriedOut(step: MapStep, entries: number, order: readonly number[]) {
  let visits: Visit[] = [];
  let most = 0;
  for (let turn = 0; ; turn += 1) {
    const decision = decideOn(step, visits, entries);
    if (decision.type === 'start') visits.push(...decision.children.map((child) => ({ child })));
    else if (decision.type !== 'wait') return { decision, visits, most };
    const running = visits.flatMap(({ outcome }, index) => (outcome === undefined ? [index] : []));
    most = Math.max(most, running.length);
    if (decision.type === 'start') continue;
    const number = order[turn % order.length] ?? 0;
    const index = running[number % running.length] ?? 0;
    const outcome: StepOutcome = number % 5 === 0 ? { type: 'skipped' } : done(index);
    visits = visits.with(index, { child: 0, outcome });
    // As a workflow that continues as new would find them.
    if (number % 7 === 0) visits = carriedOn(step, visits);
  }
}

function carriedOn(step: MapStep, visits: readonly Visit[]): Visit[] {
  const packer = new Packer();
  const packed = compressed(step, visits).map(({ child, outcome }) => ({
    child,
    outcome: outcome === undefined || outcome.type === 'failed' ? undefined : packer.outcome(outcome),
  }));
  const unpacker = new Unpacker({ values: packer.values, names: packer.names });
  return packed.map(({ child, outcome }) =>
    outcome === undefined ? { child } : { child, outcome: unpacker.outcome(outcome) },
  );
}

test('whatever the order in which entries end, each is done once and the outputs are in their order', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 30 }),
      fc.option(fc.integer({ min: 1, max: 8 }), { nil: undefined }),
      fc.array(fc.nat(), { minLength: 1 }),
      (entries, maxConcurrency, order) => {
        const step = mapOver('/input/list', alpha, { maxConcurrency });
        const { decision, visits, most } = carriedOut(step, entries, order);
        expect(visits).toHaveLength(entries);
        expect(most).toBeLessThanOrEqual(maxConcurrency ?? entries);
        const list = visits.map(({ outcome }, index) => ({
          inline: outcome?.type === 'done' ? index : null,
        }));
        expect(decision).toEqual({ type: 'finish', output: { list } });
        const addresses = visits.map((_, index) => visitAddress({ step, address: '2' }, visits, index));
        expect(addresses).toEqual(visits.map((_, index) => (index === 0 ? '2.1' : `2.1#${index + 1}`)));
      },
    ),
  );
});

test('a map waits for its list, and refuses one that is too long', () => {
  const step = mapOver('/input/list', alpha, { maxItems: 2 });
  expect(decideOn(step, [])).toEqual({ type: 'wait' });
  expect(decideOn(step, [], 0)).toEqual({ type: 'finish', output: { list: [] } });
  expect(decideOn(step, [], 3)).toMatchObject({
    type: 'fail',
    failure: {
      code: 'STEP_LIMIT',
      message: 'The list at "/input/list" has 3 entries; the step\'s limit is 2 (maxItems)',
    },
  });
  const failure = { code: 'AGENT_FAILED', message: 'no' } as const;
  expect(decideOn(step, [{ child: 0 }, { child: 0, outcome: { type: 'failed', failure } }], 2)).toEqual({
    type: 'fail',
    failure,
  });
});

const REF = { blob: 'a'.repeat(64), bytes: 1, mediaType: 'application/json' };

test('of an entry in a blob, its facts answer as the entry would', () => {
  const entry = fc.dictionary(fc.constantFrom('a', 'b', '/', '~'), fc.oneof(fc.integer(), fc.string()));
  const pointers = ['', '/a', '/b', '/~1', '/~0', '/c'];
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 6 }), fc.boolean(), (entries, deep) => {
      const document: Json = deep ? { 'a/b': { list: entries } } : entries;
      const tokens = deep ? ['a/b', 'list'] : [];
      const list = within({ ref: REF }, tokens);
      if (list === undefined) throw new Error('a blob has whatever is asked of it');
      expect(lengthOf(list)).toBeUndefined();
      for (const [index, json] of entries.entries()) {
        const { item } = entryAt(list, index);
        if (!('part' in item)) throw new Error('an entry of a blob is a part of it');
        expect(valueAt(document, tokensOf(item.part.pointer))).toEqual(json);
        const facts = { [partKey(item.part)]: factsOf(json, pointers) };
        for (const pointer of pointers.slice(1))
          expect(lookUp(item, pointer, facts)).toEqual(lookUp({ inline: json }, pointer, {}));
      }
    }),
  );
});

test('of one blob in two places, what was asked in each is known', () => {
  const facts = joinedFacts({ a: { '/x': 1 }, b: { '': 2 } }, { a: { '/y': 3 }, c: {} });
  expect(facts).toEqual({ a: { '/x': 1, '/y': 3 }, b: { '': 2 }, c: {} });
});

test('what stands at a place of a value is found without loading anything', () => {
  const ref: Value = { ref: REF };
  const value: Value = { record: { made: { list: [{ inline: { n: [1, 2] } }, ref] } } };
  const found = (pointer: string) => within(value, tokensOf(pointer));
  expect(found('/made/0/n')).toEqual({ inline: [1, 2] });
  expect(found('/made/1')).toBe(ref);
  expect(found('/made/1/x/y')).toEqual({ part: { of: REF, pointer: pointerOf(['x', 'y']) } });
  expect(within({ part: { of: REF, pointer: '/x' } }, ['0'])).toEqual({ part: { of: REF, pointer: '/x/0' } });
  expect([found('/made/2'), found('/lost'), found('/made/0/m')]).toEqual([undefined, undefined, undefined]);
  expect(
    [value, { list: [ref] }, { inline: {} }, { inline: [] }].map((one) => lengthOf(one as Value)),
  ).toEqual([null, 1, null, 0]);
});

const LISTING: Step = { type: 'agent', agent: 'lister' };
const LISTS = {
  agents: new Map([
    ...CATALOGUE.agents,
    [
      'lister',
      {
        outputSchema: {
          type: 'object',
          properties: {
            files: {
              type: 'array',
              items: {
                type: 'object',
                properties: {
                  kind: { type: 'string' },
                  lines: { type: 'array', items: { type: 'object', properties: { n: { type: 'number' } } } },
                },
                additionalProperties: false,
              },
            },
          },
        },
      },
    ],
  ] as const),
};
const when = (pointer: string, value: string | number = 'ts') => ({ op: 'eq', pointer, value }) as const;

test('what is asked of entries is checked by the schema of who makes them, and wanted of the map', () => {
  const lines = mapOver('/item/lines', { ...alpha, when: when('/item/n', 3) }, { maxItems: 4 });
  const plan = sequence(
    LISTING,
    mapOver('/last/files', sequence({ ...alpha, when: when('/item/kind') }, lines)),
  );
  expect(planProblems(plan, LISTS)).toEqual([]);
  const wanted = factsWanted(plan);
  expect(wanted.entries).toEqual({ '2': ['/kind', '/lines'], '2.1.2': ['/n'] });
  expect(factsWantedAt(wanted, '2.1#3.2', 'entries')).toEqual(['/n']);
  expect(outputsAtOnce(plan)).toBe(1 + 100 * (1 + 4));
  const bad = (step: Step): string[] =>
    planProblems(sequence(LISTING, mapOver('/last/files', step)), LISTS).map(
      ({ path, message }) => `${path} ${message}`,
    );
  expect(bad({ ...alpha, when: when('/item/kind', 3) })).toEqual([
    'plan.steps[1].step.when wants 3 at "/item/kind", which never stands there',
  ]);
  expect(bad({ ...alpha, when: when('/item/sort') })).toEqual([
    'plan.steps[1].step.when asks for "/item/sort", which an entry never has',
  ]);
  expect(bad(mapOver('/item/kind', alpha, { maxItems: 2 }))).toEqual([
    'plan.steps[1].step.over wants a list at "/item/kind", which never stands there',
  ]);
});

test('what an entry leaves is its own: after the map there is the list', () => {
  const body = { ...alpha, id: 'inner' } as const;
  const plan = (pointer: string): Step =>
    sequence(mapOver('/input/list', body, { id: 'all' }), { ...alpha, when: { op: 'exists', pointer } });
  expect(planProblems(plan('/outputs/all/3/text'), CATALOGUE)).toEqual([]);
  expect(planProblems(plan('/last/0/score'), CATALOGUE)).toEqual([]);
  expect(planProblems(plan('/outputs/inner/text'), CATALOGUE)).toMatchObject([
    { path: 'plan.steps[1].when' },
  ]);
});
