import fc from 'fast-check';
import { factsOf, lookUp } from '../../src/core/facts';
import { pointerOf, tokensOf } from '../../src/core/pointer';
import { evaluate, holds, pointersOf } from '../../src/core/predicate';
import { lookInto, EMPTY_SCOPE } from '../../src/core/scope';
import type { Json, Value } from '../../src/protocol/json';
import { LIMITS } from '../../src/protocol/limits';
import { Predicate } from '../../src/protocol/predicate';

const document: Json = {
  text: 'hello',
  number: 3,
  zero: 0,
  nothing: null,
  list: ['a', { b: true }],
  'a/b': { 'c~d': 1 },
  '': 'empty',
};

const at = (pointer: string, op: string, value?: Json): Predicate =>
  ({ op, pointer, ...(value === undefined ? {} : { value }) }) as Predicate;

test.each<[Predicate, boolean]>([
  [at('/text', 'eq', 'hello'), true],
  [at('/text', 'eq', 'Hello'), false],
  [at('/number', 'eq', '3'), false],
  [at('/nothing', 'eq', null), true],
  [at('/missing', 'eq', null), false],
  [at('/missing', 'ne', 1), true],
  [at('/number', 'ne', 3), false],
  [at('/number', 'gt', 2), true],
  [at('/number', 'gt', 3), false],
  [at('/number', 'gte', 3), true],
  [at('/number', 'lt', 4), true],
  [at('/number', 'lte', 2), false],
  [at('/text', 'gt', 'hallo'), true],
  [at('/text', 'gt', 2), false],
  [at('/missing', 'lt', 2), false],
  [at('/nothing', 'lte', 2), false],
  [{ op: 'in', pointer: '/number', values: [1, 3] }, true],
  [{ op: 'in', pointer: '/missing', values: [null, ''] }, false],
  [at('/nothing', 'exists'), true],
  [at('/missing', 'exists'), false],
  [at('', 'exists'), true],
  [at('/', 'eq', 'empty'), true],
  [at('/list/1/b', 'eq', true), true],
  [at('/list/01/b', 'exists'), false],
  [at('/list/-', 'exists'), false],
  [at('/list/length', 'exists'), false],
  [at('/text/0', 'exists'), false],
  [at('/text/length', 'exists'), false],
  [at('/a~1b/c~0d', 'eq', 1), true],
  [at('/constructor', 'exists'), false],
  [at('/__proto__', 'exists'), false],
  [at('/toString/name', 'exists'), false],
  [at('/text', 'prefix', 'hel'), true],
  [at('/number', 'prefix', '3'), false],
  [{ op: 'and', of: [at('/zero', 'eq', 0), at('/number', 'eq', 3)] }, true],
  [{ op: 'and', of: [at('/zero', 'eq', 1), at('/number', 'eq', 3)] }, false],
  [{ op: 'or', of: [at('/zero', 'eq', 1), at('/number', 'eq', 3)] }, true],
  [{ op: 'not', of: at('/missing', 'exists') }, true],
])('%j is %s', (predicate, expected) => {
  expect(Predicate.parse(predicate)).toEqual(predicate);
  expect(holds(predicate, document)).toBe(expected);
});

const pointer = fc
  .array(fc.oneof(fc.constantFrom('a', 'b', '0', '1', '~', '/', '__proto__', 'length'), fc.string()), {
    maxLength: 4,
  })
  .map(pointerOf);
const scalar = fc.oneof(fc.string({ maxLength: 20 }), fc.integer(), fc.boolean(), fc.constant(null));
const ordered = fc.oneof(fc.string({ maxLength: 20 }), fc.integer());
const predicates = fc.letrec<{ predicate: Predicate }>((tie) => ({
  predicate: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.record({ op: fc.constantFrom('eq', 'ne'), pointer, value: scalar }),
    fc.record({ op: fc.constantFrom('gt', 'gte', 'lt', 'lte'), pointer, value: ordered }),
    fc.record({ op: fc.constant('in'), pointer, values: fc.array(scalar, { minLength: 1, maxLength: 3 }) }),
    fc.record({ op: fc.constant('exists'), pointer }),
    fc.record({ op: fc.constant('prefix'), pointer, value: fc.string({ minLength: 1, maxLength: 3 }) }),
    fc.record({
      op: fc.constantFrom('and', 'or'),
      of: fc.array(tie('predicate'), { minLength: 1, maxLength: 3 }),
    }),
    fc.record({ op: fc.constant('not'), of: tie('predicate') }),
  ) as fc.Arbitrary<Predicate>,
})).predicate;
const json = fc.jsonValue({ maxDepth: 4 }) as fc.Arbitrary<Json>;

test('any predicate answers on any document, and its facts answer as the document does', () => {
  fc.assert(
    fc.property(predicates, json, (predicate, value) => {
      const answer = holds(predicate, value);
      expect(typeof answer).toBe('boolean');
      expect(holds({ op: 'not', of: predicate }, value)).toBe(!answer);
      const ref: Value = { ref: { blob: 'f', bytes: 1, mediaType: 'application/json' } };
      const wanted = pointersOf(predicate);
      fc.pre(wanted.length <= LIMITS.factsPerOutput);
      const facts = { f: factsOf(value, wanted) };
      expect(evaluate(predicate, (asked) => lookUp(ref, asked, facts))).toBe(answer);
    }),
    { numRuns: 3_000 },
  );
});

test('pointers and tokens are each other’s way back', () => {
  fc.assert(
    fc.property(fc.array(fc.string()), (tokens) => expect(tokensOf(pointerOf(tokens))).toEqual(tokens)),
  );
});

test('of a long text so much is known that the longest constant can be told from it', () => {
  const longest = 'x'.repeat(LIMITS.constantChars);
  const ref: Value = { ref: { blob: 'f', bytes: 1, mediaType: 'text/plain' } };
  const longer = [`${longest}x`, `${longest}${'y'.repeat(1_000)}`, `${longest}\u{1f600}`];
  for (const text of [longest, longest.slice(1), ...longer]) {
    const facts = { f: factsOf(text, ['']) };
    const look = (asked: string) => lookUp(ref, asked, facts);
    for (const op of ['eq', 'gt', 'lt', 'gte', 'lte', 'prefix'])
      expect(evaluate(at('', op, longest), look)).toBe(holds(at('', op, longest), text));
    expect(JSON.stringify(facts.f).length).toBeLessThan(300);
    // PostgreSQL keeps no halves of characters.
    expect(JSON.stringify(facts.f)).not.toMatch(/\\ud/);
  }
});

test('a pointer goes through what a workflow combines without loading it', () => {
  const blob = { blob: 'f', bytes: 1, mediaType: 'application/json' };
  const value: Value = { record: { a: { list: [{ inline: { x: 1 } }, { ref: blob }] }, b: { record: {} } } };
  const facts = { f: { '/y': 2 } };
  const found = ['', '/a', '/a/0/x', '/a/1/y', '/a/1/z', '/a/2', '/b', '/b/toString', '/a/1'].map((asked) =>
    lookUp(value, asked, facts),
  );
  expect(found).toEqual([{}, [], 1, 2, undefined, undefined, {}, undefined, undefined]);
});

test('the document of a step has what came before it, and nothing that it does not have', () => {
  const look = lookInto({
    scope: {
      ...EMPTY_SCOPE,
      task: { inline: 'Do it' },
      outputs: { alpha: { inline: { score: 1 } } },
      context: { 'a/b': { inline: 2 } },
      last: { inline: { score: 3 } },
      iteration: 4,
      index: 0,
    },
    facts: {},
  });
  const asked = ['/task', '/outputs/alpha/score', '/context/a~1b', '/last/score', '/iteration', '/index'];
  expect(asked.map(look)).toEqual(['Do it', 1, 2, 3, 4, 0]);
  expect(['/item', '/outputs/beta', '/run', '/context/toString'].map(look)).toEqual(Array(4).fill(undefined));
});

test.each([
  ['deep', Array.from({ length: 8 }).reduce<Json>((of) => ({ op: 'not', of }), at('', 'exists') as never)],
  ['wide', { op: 'and', of: Array.from({ length: 64 }, () => at('', 'exists')) } as never],
  ['long', at('', 'eq', 'x'.repeat(257)) as never],
  ['far', at(`/${'x'.repeat(500)}`, 'exists') as never],
  ['empty', { op: 'or', of: [] }],
  ['a regular expression', { op: 'matches', pointer: '', value: '.*' }],
  ['a pointer with a bad escape', at('/a~2', 'exists') as never],
  ['a number that is none', at('', 'eq', Number.NaN) as never],
])('a predicate that is %s is refused', (_, predicate: Json) => {
  expect(Predicate.safeParse(predicate).success).toBe(false);
});
