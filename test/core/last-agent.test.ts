import { lastAgentOf } from '../../src/core/plan/last-agent';
import type { Step } from '../../src/protocol/plan';

const agent = { type: 'agent', agent: 'writer' } as const;
const sequence = (...steps: Step[]) => ({ type: 'sequence', steps }) as const;
const parallel = { type: 'parallel', steps: [agent, agent] } as const;

test.each<[string, Step, string]>([
  ['an agent by itself', agent, '0'],
  ['the last of a sequence', sequence(parallel, agent), '2'],
  ['the last of the last sequence', sequence(agent, sequence(parallel, agent, agent)), '2.3'],
])('the result of a plan is what its last agent brings: %s', (_, plan, address) => {
  expect(lastAgentOf(plan)).toBe(address);
});

test.each<[string, Step]>([
  ['what runs beside each other', parallel],
  ['a sequence that ends with it', sequence(agent, parallel)],
  ['a loop, which asks its predicate', { type: 'loop', step: agent, maxIterations: 1 }],
  ['a wait', sequence(agent, { type: 'wait', for: 'timer', durationMs: 1 })],
  ['a clock that may run out', { ...sequence(agent), timeoutMs: 1_000 }],
  ['a clock around it', { ...sequence(sequence(agent, agent)), timeoutMs: 1_000 }],
  ['a clock inside', sequence({ ...sequence(agent), timeoutMs: 1_000 })],
])('no agent alone brings the result of %s', (_, plan) => {
  expect(lastAgentOf(plan)).toBeUndefined();
});
