import fc from 'fast-check';
import type { KnownBatch } from '../../src/core/bus/route';
import { type BusSettings, MAILBOX_POLICIES, MESSAGE_PRIORITIES } from '../../src/protocol/message';
import { Reference } from './support/reference';
import { Store } from './support/store';

const MEMBERS = ['a', 'b', 'c'];

const item = fc.record(
  {
    target: fc.constantFrom(
      { to: 'a' },
      { to: 'b' },
      { to: 'ghost' },
      { broadcast: true as const },
      { capability: 'talk' },
    ),
    priority: fc.constantFrom(...MESSAGE_PRIORITIES),
    ttlMs: fc.constantFrom(5, 20),
  },
  { requiredKeys: ['target'] },
);

/** One lane of a batch: often where the log ends, often not; sometimes from an attempt or turn that is over. */
const lane = fc.record({
  sender: fc.constantFrom(...MEMBERS),
  turn: fc.constantFrom(1, 1, 1, 2),
  attempt: fc.constantFrom(1, 1, 2),
  from: fc.integer({ min: 1, max: 8 }),
  resends: fc.boolean(),
  items: fc.array(item, { maxLength: 4 }),
});

const batch = fc.array(lane, { minLength: 1, maxLength: 2 }).map((lanes): KnownBatch => ({
  lanes: lanes.map(({ sender, turn, attempt, from, resends }) => {
    const publisher = `lane-${sender}`;
    return { sender, turn, attempt, from, resends, publisher };
  }),
  // Interleaved, as an outbox writes what several members send at once.
  items: [0, 1, 2, 3].flatMap((place) =>
    lanes.flatMap(({ items }, index) => {
      const one = items[place];
      if (one === undefined) return [];
      const { target, ...rest } = one;
      return [{ lane: index, type: 'inform', content: null, ...target, ...rest }];
    }),
  ),
}));

const command = fc.oneof(
  { weight: 6, arbitrary: batch.map((given) => ({ type: 'batch' as const, given })) },
  // The same signal once more: a sender that saw nothing of it in the log, or an activity that was repeated.
  { weight: 2, arbitrary: fc.nat(20).map((back) => ({ type: 'again' as const, back })) },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant('consume' as const),
      member: fc.constantFrom(...MEMBERS),
      count: fc.integer({ min: 1, max: 4 }),
    }),
  },
  { weight: 1, arbitrary: fc.constantFrom(3, 10, 30).map((ms) => ({ type: 'pass' as const, ms })) },
  // What follows is another call: an activity that ended, or a bus that went on as new.
  { weight: 2, arbitrary: fc.constant({ type: 'call' as const }) },
);

const settings: fc.Arbitrary<BusSettings> = fc.record({
  mailbox: fc.record({ limit: fc.integer({ min: 1, max: 4 }), policy: fc.constantFrom(...MAILBOX_POLICIES) }),
  mailboxes: fc.record({ b: fc.record({ policy: fc.constantFrom(...MAILBOX_POLICIES) }) }),
});

type Command = typeof command extends fc.Arbitrary<infer T> ? T : never;

/** Runs commands; batches between two calls are routed together. */
function play(bus: Store | Reference, commands: readonly Command[]) {
  const sent: KnownBatch[] = [];
  let collected: KnownBatch[] = [];
  const flush = (): void => {
    if (collected.length > 0) bus.route(collected);
    collected = [];
  };
  for (const one of commands) {
    if (one.type === 'batch') sent.push(one.given);
    const given =
      one.type === 'batch' ? one.given : one.type === 'again' ? sent.at(-1 - one.back) : undefined;
    if (given !== undefined) collected.push(given);
    else flush();
    if (one.type === 'consume') bus.consume(one.member, one.count);
    if (one.type === 'pass') bus.pass(one.ms);
  }
  flush();
  return bus.outcome();
}

test('the rules do what the simple model does, in 20,000 random conversations', () => {
  fc.assert(
    fc.property(settings, fc.array(command, { minLength: 1, maxLength: 14 }), (bounds, commands) => {
      expect(play(new Store(bounds, MEMBERS), commands)).toEqual(
        play(new Reference(bounds, MEMBERS), commands),
      );
    }),
    { numRuns: 20_000 },
  );
});

test('how signals are gathered into calls changes nothing', () => {
  fc.assert(
    fc.property(settings, fc.array(batch, { minLength: 1, maxLength: 6 }), (bounds, batches) => {
      const together = new Store(bounds, MEMBERS);
      together.route(batches);
      const apart = new Store(bounds, MEMBERS);
      for (const one of batches) apart.route([one]);
      expect(apart.outcome()).toEqual(together.outcome());
    }),
    { numRuns: 2_000 },
  );
});

test('a publisher is in the log without gaps, in its order, and once', () => {
  fc.assert(
    fc.property(fc.array(batch, { minLength: 1, maxLength: 8 }), (batches) => {
      const store = new Store({}, MEMBERS);
      for (const one of batches) store.route([one]);
      const { log } = store.outcome();
      for (const member of MEMBERS) {
        const numbers = log
          .filter((id) => id.startsWith(`lane-${member}/`))
          .map((id) => Number(id.split('/')[1]));
        expect(numbers).toEqual(numbers.map((_, index) => index + 1));
      }
    }),
    { numRuns: 2_000 },
  );
});
