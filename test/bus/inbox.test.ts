import fc from 'fast-check';
import { Inbox, LOCAL_MOST } from '../../src/core/bus/inbox';
import { type Message, MESSAGE_PRIORITIES } from '../../src/protocol/message';
import { type Happening, ShortWorld } from './support/short-world';

const sender = fc.constantFrom(0, 1);
const happening: fc.Arbitrary<Happening> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant('say' as const),
      sender,
      priority: fc.constantFrom(...MESSAGE_PRIORITIES.slice(1, 3)),
      wide: fc.constantFrom(false, false, true),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant('route' as const),
      count: fc.integer({ min: 1, max: 3 }),
      full: fc.constantFrom(false, false, false, true),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      type: fc.constantFrom('tell', 'look', 'begin-look', 'end-look', 'receive', 'receive'),
    }) as fc.Arbitrary<Happening>,
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('fail' as const), sender }) },
);

function played(happenings: readonly Happening[]): ShortWorld {
  const world = new ShortWorld();
  for (const one of happenings) world.happen(one);
  world.settle();
  return world;
}

const runs = { numRuns: 5_000 };
const story = fc.array(happening, { maxLength: 40 });

describe('messages that are read before they are in the log, whatever happens on their way', () => {
  test('are handed out once, and none that is in the mailbox is left out', () => {
    fc.assert(
      fc.property(story, (happenings) => {
        const { heard, delivered, inbox } = played(happenings);
        expect(new Set(heard).size).toBe(heard.length);
        if (inbox.lost !== undefined) return;
        expect(new Set(heard)).toEqual(new Set(delivered));
        expect(inbox.read.toSorted((a, b) => a - b)).toEqual(
          delivered.map(({ seq }) => seq).toSorted((a, b) => a - b),
        );
        expect(inbox.isAhead).toBe(false);
      }),
      runs,
    );
  });

  test('come in the order in which one sender said them with one priority', () => {
    fc.assert(
      fc.property(story, (happenings) => {
        const { heard, said } = played(happenings);
        const kept = heard.filter(({ fate }) => fate === 'delivered');
        for (const [place, one] of kept.entries()) {
          const isEarlier = (other: (typeof said)[number]) =>
            other.sender === one.sender && other.priority === one.priority && other.seq < one.seq;
          const missing = said.filter((other) => other.fate === 'delivered' && isEarlier(other));
          expect(kept.slice(0, place)).toEqual(expect.arrayContaining(missing));
        }
      }),
      runs,
    );
  });

  test('are known to be lost exactly where they never come into the mailbox', () => {
    fc.assert(
      fc.property(story, (happenings) => {
        const { heard, said, inbox } = played(happenings);
        const lost = heard.filter(({ fate }) => fate !== 'delivered');
        if (inbox.lost === undefined) expect(lost).toEqual([]);
        else expect(said.some(({ id, fate }) => id === inbox.lost?.id && fate !== 'delivered')).toBe(true);
      }),
      runs,
    );
  });
});

describe('an inbox', () => {
  const message = (number: number, rest: Partial<Message> = {}): Message => ({
    id: `p/${number}`,
    runId: 'run',
    seq: 0,
    from: 'alpha',
    type: 'inform',
    priority: 'normal',
    content: number,
    createdAt: '',
    ...rest,
  });
  const local = (number: number, cleanSince = 0) => ({ message: message(number), bytes: 1, cleanSince });
  const anInbox = (limit = 1_000): Inbox => {
    const inbox = new Inbox();
    inbox.limit = limit;
    inbox.looked(0);
    return inbox;
  };

  test('takes nothing the short way before it knows what its mailbox holds', () => {
    expect(new Inbox().offer(local(1))).toBe(false);
  });

  test('takes so much the short way that the mailbox still has room for half of what it holds', () => {
    const inbox = anInbox(4);
    expect([1, 2, 3].map((number) => inbox.offer(local(number)))).toEqual([true, true, false]);
    inbox.take(0);
    expect(inbox.offer(local(3))).toBe(false);
    inbox.bring([message(1, { seq: 1 }), message(2, { seq: 2 })]);
    inbox.take(0);
    inbox.consumed(inbox.read);
    expect(inbox.offer(local(3))).toBe(true);
  });

  test('is never further ahead of the log than its bounds', () => {
    const inbox = anInbox(100_000);
    const taken = Array.from({ length: LOCAL_MOST.messages + 1 }, (_, number) => inbox.offer(local(number)));
    expect(taken.filter(Boolean)).toHaveLength(LOCAL_MOST.messages);
    expect(anInbox().offer({ ...local(1), bytes: LOCAL_MOST.bytes + 1 })).toBe(false);
  });

  test('gives what is in the log before what is not, and the urgent before both', () => {
    const inbox = anInbox();
    inbox.offer(local(3));
    inbox.offer({ ...local(4), message: message(4, { priority: 'urgent' }) });
    inbox.bring([message(1, { id: 'q/1', seq: 1 }), message(2, { id: 'q/2', seq: 2, priority: 'low' })]);
    expect(inbox.waiting.map(({ content }) => content)).toEqual([4, 1, 3, 2]);
  });

  test('waits only for what was handed out before it was asked', () => {
    const inbox = anInbox();
    inbox.offer(local(1));
    inbox.offer(local(2));
    inbox.take(0);
    const { mark } = inbox;
    inbox.take(0);
    inbox.bring([message(1, { seq: 1 })]);
    expect([inbox.isAheadOf(mark), inbox.isAhead]).toEqual([false, true]);
  });

  test('does not take what another attempt says for what was read under the same number', () => {
    const inbox = anInbox();
    inbox.offer(local(1));
    inbox.take(0);
    inbox.bring([message(1, { seq: 1, content: 'something else' })]);
    expect(inbox.lost).toMatchObject({ id: 'p/1' });
  });
});
