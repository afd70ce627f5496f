import fc from 'fast-check';
import { jsonQuery } from '../../src/agents/tools/json/json-query';
import { select } from '../../src/agents/tools/json/select';
import { pointerOf } from '../../src/agents/tools/lockfile/pointer';
import { callTool } from '../../src/agents/tools/tool';
import type { Json } from '../../src/protocol/json';
import { aTask, fakeContext } from './fake-context';

const RUN = {
  status: 'failed',
  agents: [
    { name: 'react', status: 'completed', tokens: 12, tags: ['a'] },
    { name: 'judge', status: 'failed', tokens: null, tags: [] },
    { name: 'other', status: 'failed', tokens: 12 },
  ],
  byName: { first: { status: 'failed' }, second: { status: 'completed' } },
  'a/b~c': 1,
  '*': 'star',
  '?q=1': 'question',
};

test.each<[string, unknown]>([
  ['', RUN],
  ['/status', 'failed'],
  ['/agents/1/name', 'judge'],
  ['/a~1b~0c', 1],
  ['/~2', 'star'],
  ['/~3q=1', 'question'],
  ['/agents/1/tokens', null],
])('the path %j leads to one place', (path, one) => {
  expect(select(RUN, path)).toEqual({ one });
});

test.each<[string, unknown[]]>([
  ['/agents/*/name', ['react', 'judge', 'other']],
  ['/agents/?status=failed/name', ['judge', 'other']],
  ['/agents/?tokens=12/name', ['react', 'other']],
  ['/agents/?tokens=null/name', ['judge']],
  ['/agents/?tags=["a"]/name', ['react']],
  ['/byName/?status=failed', [{ status: 'failed' }]],
  ['/byName/*/status', ['failed', 'completed']],
  ['/agents/?status=failed/?x=1', []],
  ['/nothing/*', []],
  ['/status/*', []],
  ['/agents/?constructor=x', []],
])('the path %j selects every place', (path, many) => {
  expect(select(RUN, path)).toEqual({ many, leftOut: 0 });
});

test.each([
  ['status', 'starts with "/"'],
  ['/nothing', 'an object with the keys status, agents'],
  ['/agents/3', 'a list of 3'],
  ['/agents/01', 'a list of 3'],
  ['/status/x', 'no more below it'],
  ['/constructor', 'leads nowhere'],
  ['/agents/?status', 'a filter is written ?field=value'],
  ['/a~4', 'is written ~0'],
  ['/x'.repeat(33), 'at most 32 parts'],
])('the path %j is refused', (path, why) => {
  expect(() => select(RUN, path)).toThrow(
    expect.objectContaining({ code: 'INPUT_INVALID', message: expect.stringContaining(why) }),
  );
});

test('any pointer to what is there finds it, whatever the keys are', () => {
  const key = fc.string({ unit: fc.constantFrom('a', '/', '~', '*', '?', '=', '0') });
  fc.assert(
    fc.property(key, key, fc.jsonValue(), (outer, inner, given) => {
      // As JSON has it: without a negative zero.
      const value = JSON.parse(JSON.stringify(given)) as Json;
      const document = { [outer]: { [inner]: value } } as Json;
      const path = pointerOf(outer, inner).replaceAll('*', '~2').replaceAll('?', '~3');
      expect(select(document, path)).toEqual({ one: value });
    }),
  );
});

describe('the tool', () => {
  const use = async (given: Json) => {
    const task = aTask({
      input: { items: Array.from({ length: 1_500 }, (_, id) => ({ id })) },
      previous: { 'root/a': { n: 1 } },
    });
    const { context } = fakeContext({ context: { budget: { left: 5 } } });
    const call = { id: 'a', name: 'json-query', arguments: given };
    const { text, failed } = await callTool([jsonQuery], { call, step: '1.1' }, { task, context });
    return { text, failed };
  };

  test.each<[Json, string]>([
    [{ source: 'input', path: '/items/7/id' }, '7'],
    [{ source: { output: 'root/a' }, path: '/n' }, '1'],
    [{ source: { context: 'budget' }, path: '' }, '{"left":5}'],
    [{ source: 'input', path: '/items/?id=3/id' }, '{"matches":1,"values":[3]}'],
  ])('%j', async (given, text) => {
    expect(await use(given)).toEqual({ text, failed: false });
  });

  test.each<[Json, string]>([
    [{ source: { output: 'b' }, path: '' }, 'there is no output b; there are root/a'],
    [{ source: { context: 'x' }, path: '' }, 'the context has no key x'],
    [{ source: 'output', path: '' }, 'wrong arguments: source'],
  ])('%j is refused', async (given, text) => {
    expect(await use(given)).toEqual({ text: expect.stringContaining(text), failed: true });
  });

  test('says how much it left out', () => {
    expect(
      select(
        Array.from({ length: 1_003 }, (_, i) => i),
        '/*',
      ),
    ).toMatchObject({ leftOut: 3 });
  });
});
