import fc from 'fast-check';
import { calculate, calculator } from '../../src/agents/tools/text/calculator';
import { contextRead } from '../../src/agents/tools/text/context-read';
import { date, dateFacts } from '../../src/agents/tools/text/date';
import { fitted, readable } from '../../src/agents/tools/text/material';
import { coverage, MEASURES } from '../../src/agents/tools/text/measure';
import { callTool, declare } from '../../src/agents/tools/tool';
import { AppError } from '../../src/protocol/failures';
import { aTask, fakeContext } from './fake-context';

const NOW = new Date('2026-11-22T09:30:15Z');

test.each([
  ['1 + 2 * 3', 7],
  ['(1 + 2) * 3', 9],
  ['2 ^ 3 ^ 2', 512],
  ['-2 ^ 2', -4],
  ['2 ^ -1', 0.5],
  ['0.1 + 0.2', 0.3],
  ['1,250 / 2', 625],
  ['20% * 50', 10],
  ['7 % 4', 3],
  ['max(1, 2 * 3, 4) - min(5, 2)', 4],
  ['sqrt(16) + abs(-2)', 6],
  ['1e3 + 1', 1001],
  ['.5 * 4', 2],
])('%s is %d', (expression, value) => {
  expect(calculate(expression)).toBe(value);
});

test.each([
  '1 +',
  '(1',
  '1)',
  '1 / 0',
  '5 % 0',
  'two',
  'sqrt 4',
  '1; 2',
  'constructor(1)',
  '9 ^ 9 ^ 9',
  '',
  '1 2',
  `${'('.repeat(60)}1${')'.repeat(60)}`,
])('the expression %j is refused', (expression) => {
  expect(() => calculate(expression)).toThrow(expect.objectContaining({ code: 'INPUT_INVALID' }));
});

test('any text is computed or refused, nothing else', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom(...'0123456789.,+-*/%^() abesqrtm'.split('')), maxLength: 40 }),
      (text) => {
        try {
          expect(Number.isFinite(calculate(text))).toBe(true);
        } catch (error) {
          expect(AppError.is(error) && error.code).toBe('INPUT_INVALID');
        }
      },
    ),
  );
});

test('sums are computed as JavaScript computes them', () => {
  const number = fc.integer({ min: -1000, max: 1000 });
  fc.assert(
    fc.property(number, number, number, (a, b, c) => {
      expect(calculate(`(${a}) * (${b}) - (${c})`)).toBe(Number((a * b - c).toPrecision(12)));
    }),
  );
});

test.each([
  [{}, { date: '2026-11-22', weekday: 'Sunday', time: '09:30:15 UTC' }],
  [
    { date: '2024-02-28', addDays: 1 },
    { date: '2024-02-29', weekday: 'Thursday' },
  ],
  [
    { until: '2026-12-25' },
    { date: '2026-11-22', weekday: 'Sunday', time: '09:30:15 UTC', until: '2026-12-25', days: 33 },
  ],
  [
    { date: '2026-01-01', addDays: -1 },
    { date: '2025-12-31', weekday: 'Wednesday' },
  ],
])('the facts of %j', (given, facts) => {
  expect(dateFacts(given, NOW)).toEqual(facts);
});

test('a day beyond the calendar is refused', () => {
  expect(() => dateFacts({ date: '9999-12-31', addDays: 1_000_000_000 }, NOW)).toThrow(AppError);
});

describe('calling a tool', () => {
  const call = (name: string, given: unknown) => ({
    call: { id: 'a', name, arguments: given as never },
    step: '1.1',
  });
  const scope = { task: aTask(), context: fakeContext({ context: { plan: { steps: 3 } } }).context };
  const tools = [calculator, date, contextRead];

  test.each([
    ['calculator', { expression: '2*3' }, '6', false],
    ['context-read', { key: 'plan' }, '{"steps":3}', false],
    ['context-read', { key: 'nothing' }, 'the context has no key nothing', false],
    ['calculator', { expression: 5 }, 'wrong arguments: expression:', true],
    ['calculator', { expression: '1', extra: 1 }, 'wrong arguments:', true],
    ['date', { date: 'tomorrow' }, 'wrong arguments: date', true],
    ['nothing', {}, 'there is no tool nothing; there are calculator, date, context-read', true],
  ])('%s %j', async (name, given, text, failed) => {
    expect(await callTool(tools, call(name, given), scope)).toMatchObject({
      text: expect.stringContaining(text),
      failed,
    });
  });

  test('a result that is too long is cut, and that is said', async () => {
    const { context } = fakeContext({ context: { long: 'x'.repeat(20_000) } });
    const { text } = await callTool(tools, call('context-read', { key: 'long' }), { task: aTask(), context });
    expect(text).toMatch(/x\n\[12000 more characters left out\]$/);
  });

  test('a failure of the platform ends the agent, and an abort too', async () => {
    const broken = fakeContext().context;
    const down = new AppError('DATABASE_UNAVAILABLE', 'no connection');
    const failing = { ...broken, context: { ...broken.context, get: () => Promise.reject(down) } };
    await expect(
      callTool(tools, call('context-read', { key: 'a' }), { task: aTask(), context: failing }),
    ).rejects.toBe(down);
    const reason = new Error('cancelled');
    const aborted = { ...failing, signal: AbortSignal.abort(reason) };
    await expect(
      callTool(tools, call('context-read', { key: 'a' }), { task: aTask(), context: aborted }),
    ).rejects.toBe(reason);
  });

  test('models are told of tools in JSON Schema', () => {
    expect(declare(calculator).parameters).toMatchObject({
      type: 'object',
      required: ['expression'],
      additionalProperties: false,
    });
  });
});

test.each([
  ['text', 'text'],
  [{ text: 'only\nthis' }, 'only\nthis'],
  [{ verdict: 'pass', score: 0.5, none: null }, 'verdict: pass\nscore: 0.5'],
  [{ tags: ['a', 'b'], items: [{ id: 1 }, { id: 2 }] }, 'tags: a, b\nitems[1].id: 1\nitems[2].id: 2'],
  [{ notes: ['x'.repeat(50), 'y'.repeat(50)] }, `notes:\n- ${'x'.repeat(50)}\n- ${'y'.repeat(50)}`],
  [null, ''],
  [{}, ''],
  [false, 'false'],
])('%j reads %j', (value, text) => {
  expect(readable(value)).toBe(text);
});

test('material that is too long is cut in proportion, and that is said', () => {
  const cut = fitted(
    [
      { name: 'a', text: 'x'.repeat(300) },
      { name: 'b', text: 'y'.repeat(100) },
    ],
    100,
  );
  expect(cut.map(({ text }) => text.match(/x+|y+/)?.[0].length)).toEqual([75, 25]);
  expect(cut[0]?.text).toContain('[225 more characters left out]');
});

describe('measures', () => {
  const outputs = [
    { name: 'out', text: 'The bridge costs 4 million. TODO: add the date. The bridge costs 4 million.' },
  ];
  const given = [{ name: 'in', text: 'A bridge for 4 million francs.' }];

  test('relevance counts the terms of the task', () => {
    expect(MEASURES.relevance({ task: 'What does the bridge cost?', outputs, given })).toMatchObject({
      score: 1,
    });
    expect(MEASURES.relevance({ task: 'Describe the tunnel', outputs, given })).toMatchObject({ score: 0 });
    expect(MEASURES.relevance({ task: 'What is it?', outputs, given })).toMatchObject({ score: null });
  });

  test('substance counts what is left to be filled in, clarity what is said twice', () => {
    expect(MEASURES.substance({ task: '', outputs, given }).evidence).toEqual([
      { source: 'out', quote: 'TODO: add the date.' },
    ]);
    expect(MEASURES.clarity({ task: '', outputs, given }).reason).toBe(
      '2 of 3 sentences are short and said once',
    );
  });

  test('grounding needs something to compare with', () => {
    expect(MEASURES.grounding({ task: '', outputs, given: [] })).toMatchObject({ score: null });
    expect(MEASURES.grounding({ task: '', outputs, given })).toMatchObject({ score: 1 });
  });

  test('coverage names what is missing', () => {
    expect(coverage(['bridge', 'tunnel', 'cost'], outputs, 'terms').reason).toBe(
      '2 of 3 terms occur; not: tunnel',
    );
  });
});
