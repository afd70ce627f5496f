import fc from 'fast-check';
import { ContextBook } from '../../src/core/context/book';
import { ContextLanes } from '../../src/core/context/lanes';
import { canonical, mergeNamed, mergeNames, merges } from '../../src/core/context/merges';
import { PendingWrites } from '../../src/core/context/pending';
import type { ImmediateWrite, NumberedWrite } from '../../src/protocol/context';
import type { Json } from '../../src/protocol/json';
import { LIMITS } from '../../src/protocol/limits';

const rules = {
  highest: { merge: 'max' },
  log: { merge: 'append' },
  set: { merge: 'union' },
  odd: { merge: 'sum-of-squares' },
};
const json = fc.jsonValue({ maxDepth: 2 }) as fc.Arbitrary<Json>;
const inline = (value: Json) => ({ inline: value });

function mergedIn(orders: readonly (readonly Json[])[], key: string): string[] {
  return orders.map((values) => {
    const book = new ContextBook(rules);
    for (const value of values) book.write({ op: 'merge', key, value: inline(value) }, 'a');
    return canonical((book.seen(key)?.value ?? null) as unknown as Json);
  });
}

/** The same values in any other order, and with some of them twice. */
const shuffled = <T>(values: fc.Arbitrary<T>) =>
  fc.array(values, { minLength: 1, maxLength: 8 }).chain((list) =>
    fc.tuple(
      fc.constant(list),
      fc.shuffledSubarray(list, { minLength: list.length }).map((other) => [...other, ...other.slice(0, 2)]),
    ),
  );

test('max and union come to the same in every order, and repeated', () => {
  fc.assert(
    fc.property(shuffled(fc.double({ noNaN: true })), (orders) => {
      const [one, other] = mergedIn(orders, 'highest');
      expect(one).toBe(other);
    }),
  );
  fc.assert(
    fc.property(shuffled(fc.array(json, { maxLength: 4 })), (orders) => {
      const [one, other] = mergedIn(orders, 'set');
      expect(one).toBe(other);
    }),
  );
});

test('append keeps every entry in its order, last only the last', () => {
  fc.assert(
    fc.property(fc.array(json, { minLength: 1, maxLength: 10 }), (values) => {
      expect(mergedIn([values], 'log')).toEqual([canonical({ inline: values })]);
      expect(mergedIn([values], 'plain')).toEqual([canonical({ inline: values.at(-1) ?? null })]);
    }),
  );
});

test('a merge of one own is used by its name, and one that throws or does not fit is refused', () => {
  const write = { op: 'merge', key: 'odd', value: inline(3) } as const;
  const book = new ContextBook(rules);
  expect(book.write(write, 'a')).toMatchObject({
    refused: 'CONTEXT_UNMERGEABLE',
    message: expect.stringMatching('No merge "sum-of-squares" is defined'),
  });
  merges.define('sum-of-squares', (current = 0, given) => {
    if (typeof current !== 'number' || typeof given !== 'number') throw new Error('numbers only');
    return current + given * given;
  });
  expect(mergeNames()).toContain('sum-of-squares');
  expect([book.write(write, 'a'), book.write(write, 'b')]).toEqual([{ version: 1 }, { version: 2 }]);
  expect(book.seen('odd')).toEqual({ value: inline(18), version: 2, author: 'b' });
  expect(book.write({ ...write, value: inline('text') }, 'a')).toMatchObject({
    refused: 'CONTEXT_UNMERGEABLE',
  });
  expect(mergeNamed('max')?.(4, 'text')).toBeUndefined();
});

test('what is merged may neither be a blob nor grow for ever; keys are counted', () => {
  const book = new ContextBook(rules);
  const ref = { ref: { blob: 'a'.repeat(64), bytes: 1, mediaType: 'application/json' } };
  book.write({ op: 'set', key: 'log', value: ref }, 'a');
  for (const op of ['merge', 'append'] as const)
    expect(book.write({ op, key: 'log', value: inline(1) }, 'a')).toMatchObject({
      refused: 'CONTEXT_UNMERGEABLE',
    });
  expect(book.write({ op: 'append', key: 'new', value: ref }, 'a')).toMatchObject({
    refused: 'CONTEXT_UNMERGEABLE',
  });
  expect(book.seen('log')?.version).toBe(1);
  const large = 'x'.repeat(LIMITS.contextMergedBytes / 2);
  const answers = [1, 2].map(() => book.write({ op: 'append', key: 'list', value: inline(large) }, 'a'));
  expect(answers).toMatchObject([{ version: 1 }, { refused: 'CONTEXT_LIMIT' }]);

  const full = new ContextBook();
  for (let i = 0; i < LIMITS.contextKeysPerRun; i += 1) full.put(`key-${i}`, inline(i), 'a');
  const more = { op: 'set', key: 'more', value: inline(1) } as const;
  expect(full.write(more, 'a')).toMatchObject({ refused: 'CONTEXT_LIMIT' });
  expect(full.write({ ...more, key: 'key-7' }, 'a')).toEqual({ version: 2 });
  full.write({ op: 'delete', key: 'key-7' }, 'a');
  expect(full.write(more, 'a')).toEqual({ version: 1 });
});

test('a deleted key is gone and its versions go on', () => {
  const book = new ContextBook();
  const compareAndSet = (version: number, value: Json) =>
    book.write({ op: 'compare-and-set', key: 'k', version, value: inline(value) }, 'a');
  expect(compareAndSet(0, 'first')).toEqual({ version: 1 });
  book.write({ op: 'delete', key: 'k' }, 'a');
  expect([book.seen('k'), Object.keys(book.values())]).toEqual([undefined, []]);
  expect(compareAndSet(1, 'late')).toMatchObject({ refused: 'CONTEXT_CONFLICT' });
  expect(compareAndSet(0, 'again')).toEqual({ version: 3 });
});

interface Turn {
  readonly agent: number;
  readonly does: 'read' | 'set' | 'repeat';
}

test('compare-and-set is linear: whatever the interleaving and the repetitions, no increment is lost or made twice', () => {
  const turn: fc.Arbitrary<Turn> = fc.record({
    agent: fc.nat(3),
    does: fc.constantFrom('read', 'set', 'repeat'),
  });
  fc.assert(
    fc.property(fc.array(turn, { maxLength: 60 }), (turns) => {
      const book = new ContextBook();
      const lanes = new ContextLanes(book);
      const agents = [1, 2, 3, 4].map((number) => ({
        address: String(number),
        read: { version: 0, value: 0 },
        sent: new Array<NumberedWrite>(),
        applied: 0,
      }));
      for (const { address } of agents) lanes.begins(address, { agent: `agent-${address}`, written: 0 });
      for (const { agent: index, does } of turns) {
        const agent = agents[index];
        if (agent === undefined) continue;
        if (does === 'read') {
          const { version = 0, value = inline(0) } = book.seen('n') ?? {};
          agent.read = { version, value: 'inline' in value ? Number(value.inline) : NaN };
          continue;
        }
        const last = agent.sent.at(-1);
        if (does === 'repeat' && last === undefined) continue;
        const { version, value } = agent.read;
        const write: ImmediateWrite = { op: 'compare-and-set', key: 'n', version, value: inline(value + 1) };
        const fresh = { address: agent.address, number: agent.sent.length + 1, write };
        const numbered = does === 'repeat' && last !== undefined ? last : fresh;
        const held = book.seen('n')?.version ?? 0;
        const [answer] = lanes.accept({ writes: [numbered] }, () => undefined);
        if (answer === undefined || does === 'repeat') {
          expect(book.seen('n')?.version ?? 0).toBe(held);
          continue;
        }
        agent.sent.push(numbered);
        expect('version' in answer).toBe(held === version);
        if ('version' in answer) agent.applied += 1;
      }
      const made = agents.reduce((sum, { applied }) => sum + applied, 0);
      const { version = 0, value = inline(0) } = book.seen('n') ?? {};
      expect([version, value]).toEqual([made, inline(made)]);
    }),
    { numRuns: 500 },
  );
});

test('only agents at work write, in order, and the story tells of each write once', () => {
  const book = new ContextBook();
  const lanes = new ContextLanes(book);
  const numbered = (number: number): NumberedWrite => ({
    address: '1',
    number,
    write: { op: 'append', key: 'log', value: inline(number) },
  });
  const accept = (...numbers: number[]) => lanes.accept({ writes: numbers.map(numbered) }, () => undefined);
  expect(accept(1)).toMatchObject([{ refused: 'ATTEMPT_FENCED' }]);
  lanes.begins('1', { agent: 'a', written: 0 });
  expect(accept(1, 2, 4, 1)).toMatchObject([
    { version: 1 },
    { version: 2 },
    { refused: 'ATTEMPT_FENCED' },
    { version: 1 },
  ]);
  expect(lanes.untold()).toEqual([{ address: '1', agent: 'a', from: 1, versions: [1, 2] }]);
  accept(2, 3);
  expect(lanes.ends('1')).toEqual({ address: '1', agent: 'a', from: 3, versions: [3] });
  expect(accept(4)).toMatchObject([{ refused: 'ATTEMPT_FENCED' }]);
  expect(book.seen('log')?.value).toEqual(inline([1, 2, 3]));
});

test('what a turn has yet to write reads as it will be', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ op: fc.constantFrom('set', 'append', 'delete', 'merge'), value: fc.nat(9) }), {
        maxLength: 12,
      }),
      fc.option(fc.array(fc.nat(9)), { nil: undefined }),
      (writes, base) => {
        const [pending, book] = [new PendingWrites(rules), new ContextBook(rules)];
        if (base !== undefined) book.put('log', inline(base), 'a');
        for (const { op, value } of writes) {
          const given: Json = op === 'set' ? [value] : value;
          pending.add({ op, key: 'log', value: op === 'delete' ? null : given });
        }
        for (const { op, value } of pending.list())
          book.write(op === 'delete' ? { op, key: 'log' } : { op, key: 'log', value: inline(value) }, 'a');
        const held = book.seen('log')?.value;
        expect(pending.over('log', base)).toEqual(
          held !== undefined && 'inline' in held ? held.inline : undefined,
        );
      },
    ),
  );
});
