import { z } from 'zod';
import { hasReferences, jsonIn, planSchema } from '../../src/llm/schema';

const plan = (type: z.ZodType) => planSchema({ name: 'an answer!', type });

test('a schema is closed, all its keys required, and what strict modes refuse is told in words', () => {
  const { name, schema, strict } = plan(
    z.object({
      title: z.string().min(3).describe('Title of it'),
      count: z.int().min(1).max(9).optional(),
      kind: z.enum(['a', 'b']).nullable().optional(),
      parts: z.array(z.object({ id: z.uuid() })),
    }),
  );
  expect(name).toBe('an_answer_');
  expect(strict).toBe(true);
  expect(schema).toMatchObject({
    type: 'object',
    required: ['title', 'count', 'kind', 'parts'],
    additionalProperties: false,
    properties: {
      title: { type: 'string', description: 'Title of it (minLength 3)' },
      count: { anyOf: [{ type: 'integer', description: '(minimum 1, maximum 9)' }, { type: 'null' }] },
      parts: { type: 'array', items: { required: ['id'], additionalProperties: false } },
    },
  });
  expect(JSON.stringify(schema)).not.toMatch(/"(?:minLength|minimum|format|pattern)":/);
});

test('nulls that stand for absent keys are taken out again, and others stay', () => {
  const type = z.object({
    a: z.string().optional(),
    b: z.string().nullable(),
    c: z.string().nullable().optional(),
    list: z.array(z.object({ d: z.number().optional() })),
  });
  const value = { a: null, b: null, c: null, list: [{ d: null }, { d: 1 }] };
  const restored = plan(type).restore(value);
  expect(restored).toEqual({ b: null, c: null, list: [{}, { d: 1 }] });
  expect(type.safeParse(restored).success).toBe(true);
});

test('a union is sorted out by its literals', () => {
  const type = z.object({
    event: z.discriminatedUnion('type', [
      z.object({ type: z.literal('a'), note: z.string().optional() }),
      z.object({ type: z.literal('b'), note: z.string().nullable() }),
    ]),
  });
  const { schema, strict, restore } = plan(type);
  expect(strict).toBe(true);
  expect(JSON.stringify(schema)).not.toContain('oneOf');
  expect(restore({ event: { type: 'a', note: null } })).toEqual({ event: { type: 'a' } });
  expect(restore({ event: { type: 'b', note: null } })).toEqual({ event: { type: 'b', note: null } });
});

test('what is not an object travels in one, and comes out of it', () => {
  const { schema, restore, strict } = plan(z.array(z.string()));
  expect(schema).toMatchObject({
    type: 'object',
    required: ['value'],
    properties: { value: { type: 'array' } },
  });
  expect(strict).toBe(true);
  expect(restore({ value: ['x'] })).toEqual(['x']);
  expect(restore(['x'])).toEqual(['x']);
});

test.each<[string, z.ZodType]>([
  ['open keys', z.record(z.string(), z.number())],
  ['tuples', z.object({ pair: z.tuple([z.string(), z.number()]) })],
  ['anything', z.object({ value: z.unknown() })],
  ['dates', z.object({ at: z.date() })],
  ['JSON', z.object({ value: z.json() })],
])('%s cannot be enforced, and are not claimed to be', (_title, type) => {
  expect(plan(type).strict).toBe(false);
});

test('a reference stands alone, as strict modes want it', () => {
  const Named = z.object({ name: z.string() }).meta({ id: 'Named' });
  const { schema, strict } = plan(z.object({ one: Named.describe('the first'), two: Named.optional() }));
  expect(strict).toBe(true);
  for (const [found] of JSON.stringify(schema).matchAll(/\{[^{}]*"\$ref"[^{}]*\}/g)) {
    expect(Object.keys(JSON.parse(found) as object)).toEqual(['$ref']);
  }
});

test('a schema may refer to itself', () => {
  const Node = z.object({
    name: z.string(),
    get children() {
      return z.array(Node);
    },
  });
  const { schema, strict } = plan(Node);
  expect(strict).toBe(true);
  expect(hasReferences(schema)).toBe(true);
});

test.each([
  ['{"a":1}', { a: 1 }],
  ['```json\n{"a":1}\n```', { a: 1 }],
  ['Here it is: {"a":[1,2]} as you wished.', { a: [1, 2] }],
  ['"just a text"', 'just a text'],
  ['no JSON at all', undefined],
  ['{"a":1', undefined],
])('finds the JSON in %j', (text, expected) => {
  expect(jsonIn(text)).toEqual(expected);
});
