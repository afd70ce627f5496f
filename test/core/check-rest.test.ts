import fc from 'fast-check';
import { evaluate } from '../../src/core/predicate';
import type { AgentRest, Asleep } from '../../src/protocol/rest';
import { asleepCheck } from '../../src/workflows/check-rest';
import { isAgentRest } from '../../src/workflows/check-result';

const where = { op: 'eq', pointer: '/done', value: true } as const;
const asleep: Asleep = {
  turn: 1,
  untilMs: 1_000,
  waitsFor: { for: 'context', key: 'state', where, version: 3 },
  wokenBy: 'members',
  written: 0,
};
const rest: AgentRest = { agentRunId: 'a', effects: { context: [] }, asleep };

test('what a turn brings back is a rest', () => {
  expect(isAgentRest(rest)).toBe(true);
  expect(isAgentRest({ ...rest, asleep: { ...asleep, waitsFor: { for: 'message' } } })).toBe(true);
});

test.each<[string, object]>([
  ['no turn', { turn: 0 }],
  ['an end that is no time', { untilMs: 'soon' }],
  ['a wait for nothing', { waitsFor: {} }],
  ['a wait for something else', { waitsFor: { for: 'godot' } }],
  ['senders that are no names', { waitsFor: { for: 'message', from: [1] } }],
  ['no key', { waitsFor: { for: 'context', where, version: 0 } }],
  ['a predicate that is none', { waitsFor: { for: 'context', key: 'k', where: { op: 'eval' }, version: 0 } }],
  ['somebody else who wakes it', { wokenBy: 'a prince' }],
  ['writes beyond any limit', { written: 1e9 }],
])('a raw completion with %s is none', (_, wrong) => {
  expect(isAgentRest({ ...rest, asleep: { ...asleep, ...wrong } })).toBe(false);
});

test('nothing that anybody completes an activity with breaks the check, or what is done with it', () => {
  fc.assert(
    fc.property(fc.anything(), fc.anything(), (given, waitsFor) => {
      expect(typeof isAgentRest(given)).toBe('boolean');
      const sleeping = { ...asleep, waitsFor };
      if (asleepCheck(sleeping, 'asleep') !== undefined) return;
      const wait = waitsFor as Asleep['waitsFor'];
      if (wait.for === 'context') evaluate(wait.where, () => null);
    }),
    { numRuns: 1_000 },
  );
});
