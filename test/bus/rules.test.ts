import fc from 'fast-check';
import { deadlockOf, type Sleeper } from '../../src/core/bus/deadlock';
import { inReadingOrder, Mailbox, rulesOf } from '../../src/core/bus/mailbox';
import { judgeLane } from '../../src/core/bus/publisher';
import { type Audience, recipientsOf } from '../../src/core/bus/recipients';
import { matchesTopic } from '../../src/core/bus/topics';
import { sendersIn } from '../../src/core/bus/wanted';
import type { MessageItem, MessagePriority } from '../../src/protocol/message';
import type { WokenBy } from '../../src/protocol/rest';

describe('topics', () => {
  test.each([
    ['finding.licence.high', 'finding.licence.high', true],
    ['finding.*.high', 'finding.licence.high', true],
    ['finding.*', 'finding.licence.high', false],
    ['finding.#', 'finding.licence.high', true],
    ['finding.#', 'finding', true],
    ['*.#', 'finding', true],
    ['#', 'a.b.c', true],
    ['finding.licence', 'finding.licence.high', false],
    ['finding.licence.high', 'finding.licence', false],
    ['*', 'a.b', false],
  ])('%s over %s: %s', (pattern, topic, expected) => {
    expect(matchesTopic(pattern, topic)).toBe(expected);
  });

  test('agree with the same pattern written as a regular expression', () => {
    const segment = fc.constantFrom('a', 'b', 'c');
    const topic = fc.array(segment, { minLength: 1, maxLength: 5 });
    const pattern = fc.tuple(fc.array(fc.constantFrom('a', 'b', '*'), { maxLength: 4 }), fc.boolean());
    fc.assert(
      fc.property(topic, pattern, (segments, [fixed, open]) => {
        fc.pre(fixed.length > 0 || open);
        const source = fixed.map((one) => (one === '*' ? '[abc]' : one)).join('\\.');
        const rest = fixed.length === 0 ? '.*' : '(\\..*)?';
        const expected = new RegExp(`^${source}${open ? rest : ''}$`).test(segments.join('.'));
        expect(matchesTopic([...fixed, ...(open ? ['#'] : [])].join('.'), segments.join('.'))).toBe(expected);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('a publisher', () => {
  const state = { last: 4, turn: 2, attempt: 3, turnFrom: 3 };
  const lane = (from: number, turn = 2, attempt = 3) => ({ publisher: 'p', turn, attempt, from });

  test('goes on after its last number', () => {
    expect(judgeLane(state, lane(5), 2)).toEqual({ type: 'apply', state });
  });

  test('may begin with what is in the log', () => {
    expect(judgeLane(state, lane(2), 2)).toEqual({ type: 'apply', state });
  });

  test('is not applied behind a gap', () => {
    expect(judgeLane(state, lane(6), 1)).toEqual({ type: 'gap', state });
  });

  test('is fenced by a later attempt and a later turn', () => {
    expect(judgeLane(state, lane(5, 2, 2), 1)).toEqual({ type: 'fenced' });
    expect(judgeLane(state, lane(5, 1, 9), 1)).toEqual({ type: 'fenced' });
  });

  test('fences its predecessor with an empty batch, and begins a turn where the last one ended', () => {
    expect(judgeLane(state, lane(1, 2, 4), 0)).toMatchObject({
      type: 'apply',
      state: { ...state, attempt: 4 },
    });
    expect(judgeLane(state, lane(1, 3, 1), 0)).toMatchObject({
      type: 'apply',
      state: { last: 4, turn: 3, attempt: 1, turnFrom: 5 },
    });
  });
});

describe('a mailbox', () => {
  const entry = (seq: number, priority: MessagePriority = 'normal') => ({ seq, priority });

  test('is read by priority, and by age among equals', () => {
    const entries = [entry(1), entry(2, 'urgent'), entry(3, 'low'), entry(4), entry(5, 'urgent')];
    expect(entries.toSorted(inReadingOrder).map(({ seq }) => seq)).toEqual([2, 5, 1, 4, 3]);
  });

  test('has the bounds of its member over those of all', () => {
    const settings = { mailbox: { limit: 5 }, mailboxes: { slow: { policy: 'block' as const } } };
    expect(rulesOf(settings, 'slow')).toEqual({ limit: 5, policy: 'block' });
    expect(rulesOf({}, 'constructor')).toEqual({ limit: 1_000, policy: 'reject' });
  });

  test('refuses what it has no room for', () => {
    const mailbox = new Mailbox({ limit: 2, policy: 'reject' }, 1);
    expect([mailbox.take(entry(8)), mailbox.take(entry(9, 'urgent'))]).toEqual([true, false]);
  });

  test('drops the oldest of the least urgent for something more urgent, and for nothing else', () => {
    const mailbox = new Mailbox({ limit: 3, policy: 'drop-lowest' }, 3, [
      entry(1),
      entry(2, 'low'),
      entry(3, 'low'),
    ]);
    expect(mailbox.take(entry(4, 'low'))).toBe(false);
    expect([mailbox.take(entry(5, 'high')), mailbox.take(entry(6)), mailbox.take(entry(7))]).toEqual([
      true,
      true,
      false,
    ]);
    expect([mailbox.evicted, mailbox.delivered.map(({ seq }) => seq)]).toEqual([
      [2, 3],
      [5, 6],
    ]);
  });
});

describe('recipients', () => {
  const member = (name: string, ...capabilities: string[]) => ({ name, agentType: 'custom', capabilities });
  const list = [member('a', 'graph'), member('b', 'graph', 'text'), member('c')];
  const loads: Record<string, number> = { a: 2, b: 1, c: 0 };
  const audience: Audience = {
    members: new Map(list.map((one) => [one.name, one])),
    subscriptions: [
      { member: 'a', topic: 'finding.#' },
      { member: 'a', topic: 'finding.*' },
      { member: 'b', where: { op: 'gte', pointer: '/content/score', value: 5 } },
    ],
    isClient: (name) => name === 'client:web',
    load: (name) => loads[name] ?? 0,
  };
  const of = (item: Partial<MessageItem>, from = 'c') =>
    recipientsOf(audience, { item: { type: 'inform', content: null, ...item }, from, content: item.content });

  test.each<[string, Partial<MessageItem>, string[]]>([
    ['one member', { to: 'b' }, ['b']],
    ['a client, who reads the history', { to: 'client:web' }, []],
    ['everybody else', { broadcast: true }, ['a', 'b']],
    ['each subscriber once', { topic: 'finding.x', content: { score: 9 } }, ['a', 'b']],
    ['by content', { topic: 'other', content: { score: 5 } }, ['b']],
    ['nobody', { topic: 'other', content: { score: 4 } }, []],
    ['by what members are', { where: { op: 'exists', pointer: '/capabilities/text' } }, ['b']],
    ['the least busy of those who can', { capability: 'graph' }, ['b']],
  ])('%s', (_, item, names) => {
    expect(of(item)).toEqual({ type: 'members', names });
  });

  test('nobody hears itself, nor is asked by itself', () => {
    expect(of({ broadcast: true }, 'a')).toMatchObject({ names: ['b', 'c'] });
    expect(of({ capability: 'graph' }, 'b')).toMatchObject({ names: ['a'] });
    expect(of({ capability: 'text' }, 'b')).toMatchObject({ type: 'none', reason: 'no-capability' });
  });

  test('whoever is not there is named', () => {
    expect(of({ to: 'ghost' })).toMatchObject({ type: 'none', reason: 'unknown-recipient' });
  });
});

describe('a deadlock', () => {
  const sleeps = (member: string, from?: readonly string[], wokenBy: WokenBy = 'members'): Sleeper => ({
    member,
    asleep: { waitsFor: { for: 'message', from }, wokenBy },
  });

  test('is a circle of sleepers, by name', () => {
    expect(deadlockOf([sleeps('c', ['a']), sleeps('b', ['c']), sleeps('a', ['b'])])).toBe(
      'a waits for b; b waits for c; c waits for a',
    );
  });

  test('is one sleeper who is alone, whatever it waits for', () => {
    expect(deadlockOf([sleeps('a')])).toBe('a waits for anybody');
    const where = { op: 'exists', pointer: '' } as const;
    const waitsFor = { for: 'context', key: 'verdict', where, version: 0 } as const;
    expect(deadlockOf([{ member: 'b', asleep: { waitsFor, wokenBy: 'members' } }])).toBe(
      'b waits for context key verdict',
    );
  });

  test('is none where a time-out, or somebody outside, may wake one of them', () => {
    expect(deadlockOf([])).toBeUndefined();
    expect(deadlockOf([sleeps('a', ['b']), sleeps('b', ['a'], 'timeout')])).toBeUndefined();
    expect(deadlockOf([sleeps('a', ['b']), sleeps('b', undefined, 'outside')])).toBeUndefined();
  });

  test('names whom a filter lets through', () => {
    const from = { op: 'eq', pointer: '/from', value: 'a' } as const;
    const type = { op: 'eq', pointer: '/type', value: 'inform' } as const;
    const any = { op: 'in', pointer: '/from', values: ['a', 'b'] } as const;
    expect(sendersIn(from)).toEqual(['a']);
    expect(sendersIn({ op: 'and', of: [type, any] })).toEqual(['a', 'b']);
    expect(sendersIn({ op: 'or', of: [from, type] })).toBeUndefined();
    expect(sendersIn({ op: 'not', of: from })).toBeUndefined();
    expect(sendersIn(undefined)).toBeUndefined();
  });
});
