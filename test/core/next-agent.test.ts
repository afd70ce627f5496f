import { followersOf } from '../../src/core/plan/next-agent';
import type { Step } from '../../src/protocol/plan';

const writer = { type: 'agent', agent: 'writer' } as const;
const critic = { type: 'agent', agent: 'critic' } as const;
const parallel = { type: 'parallel', steps: [writer, critic] } as const;
const sequence = (...steps: Step[]) => ({ type: 'sequence', steps }) as const;

function followers(plan: Step): Record<string, string> {
  const all = [...followersOf(plan)];
  return Object.fromEntries(all.map(([before, { address, step }]) => [before, `${address} ${step.agent}`]));
}

test('in a sequence every agent is followed by the next one', () => {
  expect(followers(sequence(writer, critic, writer))).toEqual({ '1': '2 critic', '2': '3 writer' });
  expect(followers(sequence(parallel, critic, parallel, writer))).toEqual({
    '1': '2 critic',
    '3': '4 writer',
  });
});

const condition = { pointer: '/input/x', op: 'exists' } as const;

test.each<[string, Step]>([
  ['an agent by itself', writer],
  ['agents beside each other', parallel],
  ['a step that has a condition', sequence(writer, { ...critic, when: condition })],
  ['an agent that may begin only once', sequence(writer, { ...critic, retry: { maxAttempts: 1 } })],
  ['a sequence that a clock may end', { ...sequence(writer, critic), timeoutMs: 1_000 }],
  ['a sequence that may be tried again', { ...sequence(writer, critic), retry: { maxAttempts: 2 } }],
  ['a sequence in a step that may be stopped', sequence(parallel, sequence(writer, critic))],
])('nobody is known to follow: %s', (_, plan) => {
  expect(followers(plan)).toEqual({});
});
