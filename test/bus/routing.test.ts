import { gzipSync } from 'node:zlib';
import { uuidv7 } from 'uuidv7';
import { LIMITS } from '../../src/protocol/limits';
import { SUBSCRIBE } from '../../src/protocol/message';
import { useDatabase } from '../db/support/database';
import { anEnd, anOpening } from '../db/support/samples';
import { aBatch, aConversation, note, signedBatch, TENANT } from './support/bus';

describe('the router', () => {
  const database = useDatabase();
  const talk = (members?: readonly string[]) => aConversation(database.repositories, members);

  test('logs in one order without gaps, and delivers', async () => {
    const { route, log, mailbox } = await talk();
    await route(
      aBatch([note('one'), note('two', { broadcast: true })]),
      aBatch([note('three')], { from: 3 }),
    );
    expect(await log()).toEqual(['client:test: one', 'client:test: two', 'client:test: three']);
    expect(await mailbox('beta')).toEqual(['one', 'two', 'three']);
    expect(await mailbox('gamma')).toEqual(['two']);
  });

  test('takes bytes, compressed or not, as it takes JSON', async () => {
    const { route, log } = await talk();
    const text = JSON.stringify(aBatch([note('plain')]));
    const packed = JSON.stringify(aBatch([note('packed')], { from: 2 }));
    await route(Buffer.from(text), gzipSync(packed));
    expect(await log()).toEqual(['client:test: plain', 'client:test: packed']);
  });

  test('changes nothing when it hears the same again, in whatever pieces', async () => {
    const { route, log, mailbox } = await talk();
    const items = [note('one'), note('two'), note('three')];
    await route(aBatch(items.slice(0, 2)));
    await route(aBatch(items), aBatch(items.slice(1), { from: 2 }));
    expect(await log()).toHaveLength(3);
    expect(await mailbox('beta')).toEqual(['one', 'two', 'three']);
  });

  test('routes the same call twice as one: its activity may be repeated after the commit', async () => {
    const { route, log, reasons } = await talk();
    const call = [aBatch([note('one', { to: 'ghost' })]), aBatch([note('two')], { from: 2 })];
    await route(...call);
    await route(...call);
    expect([await log(), await reasons()]).toEqual([expect.any(Array), ['unknown-recipient']]);
    expect(await log()).toHaveLength(2);
  });

  test('applies nothing behind a gap: a sender that watches sends it again, what others sent is buried', async () => {
    const { route, log, reasons } = await talk();
    await route(aBatch([note('late')], { from: 3, resends: true }));
    await route(aBatch([note('lost')], { publisher: 'client:other', from: 2 }));
    expect([await log(), await reasons()]).toEqual([[], ['gap']]);
  });

  test('buries whole what it cannot read, and routes the rest', async () => {
    const { route, log, reasons } = await talk();
    await route(
      { undecodable: 'the payload is not valid JSON' },
      Buffer.from('no json'),
      gzipSync(Buffer.alloc(9_000_000)),
      null,
      { publisher: 'client:test' },
      aBatch([note('fine'), note('nul \0')], { publisher: 'client:nul' }),
      aBatch([note('both', { to: 'beta', topic: 'x' })], { publisher: 'client:both' }),
      { ...aBatch([]), items: [{ type: 'inform', content: 1, to: 'beta', whim: true }] },
      aBatch([note('x'.repeat(20_000))], { publisher: 'client:big' }),
      aBatch([{ type: 'bus.shutdown', content: 1 }], { publisher: 'client:control' }),
      aBatch([note('good')]),
    );
    expect(await log()).toEqual(['client:test: good']);
    expect(await reasons()).toEqual([
      'undecodable',
      'undecodable',
      'undecodable',
      ...Array<string>(7).fill('invalid'),
    ]);
  });

  test('buries what has no recipient, or a type that nobody registered', async () => {
    const { route, log, reasons } = await talk();
    await route(
      aBatch([
        note('a', { to: 'ghost' }),
        note('b', { capability: 'flying' }),
        note('c', { to: 'beta', type: 'no-such-type' }),
        note('d', { topic: 'nobody.listens' }),
      ]),
    );
    expect(await log()).toHaveLength(4);
    expect(await reasons()).toEqual(['unknown-recipient', 'no-capability', 'unknown-type']);
  });

  test('delivers by capability to whoever has least to do', async () => {
    const { route, mailbox } = await talk();
    await route(
      aBatch([note('busy', { to: 'alpha' }), ...['1', '2', '3'].map((n) => note(n, { capability: 'talk' }))]),
    );
    expect([await mailbox('alpha'), await mailbox('beta'), await mailbox('gamma')]).toEqual([
      ['busy', '3'],
      ['1'],
      ['2'],
    ]);
  });

  test('bounds a mailbox: refuses, with a receipt for each recipient', async () => {
    const { runId, route, mailbox } = await talk();
    const { messages } = database.repositories;
    await messages.configure(TENANT, runId, { mailboxes: { beta: { limit: 1 } } });
    await route(aBatch([note('one'), note('two', { broadcast: true })]));
    expect(await mailbox('beta')).toEqual(['one']);
    await messages.consume(TENANT, { runId, member: 'alpha', seqs: [2] });
    expect(await messages.receipts(TENANT, runId, 2)).toEqual([
      { member: 'alpha', status: 'consumed' },
      { member: 'beta', status: 'dead', reason: 'mailbox-full' },
      { member: 'gamma', status: 'delivered' },
    ]);
  });

  test('bounds a mailbox: drops the least urgent, of this call and of earlier ones', async () => {
    const { runId, route, mailbox, reasons } = await talk();
    await database.repositories.messages.configure(TENANT, runId, {
      mailbox: { limit: 2, policy: 'drop-lowest' },
    });
    await route(aBatch([note('low', { to: 'beta', priority: 'low' }), note('normal')]));
    await route(
      aBatch(
        [
          note('normal too'),
          note('high', { to: 'beta', priority: 'high' }),
          note('urgent', { to: 'beta', priority: 'urgent' }),
        ],
        { from: 3 },
      ),
    );
    expect(await mailbox('beta')).toEqual(['urgent', 'high']);
    expect(await reasons()).toEqual(['dropped', 'dropped', 'dropped']);
    const counts = await database.repositories.messages.counts(TENANT, runId);
    expect(counts.mailboxes).toMatchObject([{ member: 'beta', pending: 2 }]);
  });

  test('bounds a mailbox: lets its sender wait, and the sender alone', async () => {
    const { runId, route, log, mailbox } = await talk();
    const { messages } = database.repositories;
    await messages.configure(TENANT, runId, { mailbox: { limit: 1, policy: 'block' } });
    const waiting = aBatch([note('one'), note('two'), note('free', { to: 'alpha' })], { resends: true });
    await route(
      waiting,
      aBatch([note('other', { to: 'gamma' })], { publisher: 'client:other', resends: true }),
    );
    expect(await log()).toEqual(['client:test: one', 'client:other: other']);
    await route(waiting);
    expect(await log()).toHaveLength(2);
    await messages.consume(TENANT, { runId, member: 'beta', seqs: [1] });
    await route(waiting);
    expect(await log()).toEqual([
      'client:test: one',
      'client:other: other',
      'client:test: two',
      'client:test: free',
    ]);
    expect(await mailbox('beta')).toEqual(['two']);
  });

  test('buries what was not read in time', async () => {
    const { runId, route, reasons } = await talk();
    await route(aBatch([note('soon gone', { to: 'beta', ttlMs: 1 }), note('stays')]));
    await new Promise((resolve) => setTimeout(resolve, 20));
    const { messages } = database.repositories;
    const { mailboxes } = await messages.counts(TENANT, runId);
    expect(mailboxes).toMatchObject([{ member: 'beta', pending: 1, delivered: 2 }]);
    expect(await reasons()).toEqual(['expired']);
    expect(await messages.consume(TENANT, { runId, member: 'beta', seqs: [1, 2] })).toMatchObject({
      count: 1,
    });
  });

  test('keeps no more of the log than its retention says', async () => {
    const { runId, route, mailbox } = await talk();
    const { messages } = database.repositories;
    await messages.configure(TENANT, runId, { retention: { messages: 2 } });
    await route(aBatch(['one', 'two', 'three'].map((content) => note(content))));
    const left = await messages.history(TENANT, runId, { after: 0, limit: 10 });
    expect(left.map(({ seq }) => seq)).toEqual([2, 3]);
    expect(await mailbox('beta')).toEqual(['two', 'three']);
    const letters = await messages.deadLetters(TENANT, runId, { after: 0, limit: 10 });
    expect(letters).toMatchObject([{ reason: 'retention', seq: 1, member: 'beta', content: 'one' }]);
  });

  test('sends dead letters once more, to whom they were for or to somebody else', async () => {
    const { runId, route, mailbox } = await talk();
    const { messages } = database.repositories;
    await messages.configure(TENANT, runId, { mailbox: { limit: 1 } });
    await route(aBatch([note('one'), note('two'), note('three', { to: 'ghost' })]));
    expect(await messages.redrive(TENANT, runId, { nos: [1] })).toBe(1);
    expect(await messages.redrive(TENANT, runId, { nos: [1, 2] })).toBe(0);
    expect(await messages.redrive(TENANT, runId, { nos: [2], to: 'gamma' })).toBe(1);
    expect([await mailbox('beta'), await mailbox('gamma')]).toEqual([['one', 'two'], ['three']]);
    expect(await messages.receipts(TENANT, runId, 2)).toEqual([{ member: 'beta', status: 'delivered' }]);
    expect(await messages.purge(TENANT, runId)).toBe(2);
  });

  test('hears a subscriber from here on, or from the start, and no longer than it wants', async () => {
    const { runId, route, mailbox } = await talk();
    const agentRun = uuidv7();
    const opening = anOpening(runId, { candidateId: agentRun, agent: 'beta' });
    await database.repositories.agentRuns.open(TENANT, opening);
    const subscribe = (from: number, type: string, content: { topic: string; since?: 'start' }) =>
      signedBatch('token-1', { publisher: agentRun, from, items: [{ type, content }] });
    const publish = (from: number, topic: string) => aBatch([note(topic, { topic })], { from });
    await route(publish(1, 'finding.licence.high'));
    await route(subscribe(1, 'bus.subscribe', { topic: 'finding.*.high' }));
    await route(publish(2, 'finding.age.high'), publish(3, 'finding.age.low'));
    expect(await mailbox('beta')).toEqual(['finding.age.high']);
    await route(subscribe(2, 'bus.subscribe', { topic: 'finding.#', since: 'start' }));
    expect(await mailbox('beta')).toEqual(['finding.licence.high', 'finding.age.high', 'finding.age.low']);
    await route(
      subscribe(3, 'bus.unsubscribe', { topic: 'finding.#' }),
      publish(4, 'finding.size.low'),
      publish(5, 'finding.size.high'),
    );
    expect(await mailbox('beta')).toEqual([
      'finding.licence.high',
      'finding.age.high',
      'finding.age.low',
      'finding.size.high',
    ]);
  });

  test('takes so many subscriptions of one member, and buries the next', async () => {
    const { runId, route, mailbox } = await talk();
    const agentRun = uuidv7();
    const opening = anOpening(runId, { candidateId: agentRun, agent: 'beta' });
    await database.repositories.agentRuns.open(TENANT, opening);
    const items = Array.from({ length: LIMITS.subscriptionsPerMember + 1 }, (_, index) => ({
      type: SUBSCRIBE,
      content: { topic: `t${index}` },
    }));
    await route(signedBatch('token-1', { publisher: agentRun, from: 1, items }));
    const letters = await database.repositories.messages.deadLetters(TENANT, runId, { after: 0, limit: 10 });
    expect(letters).toMatchObject([{ reason: 'invalid', seq: items.length, member: 'beta' }]);
    await route(aBatch([note('first', { topic: 't0' }), note('last', { topic: `t${items.length - 1}` })]));
    expect(await mailbox('beta')).toEqual(['first']);
  });

  test('knows members by the token of their attempt alone', async () => {
    const { runId, route, log, reasons } = await talk();
    const { agentRuns } = database.repositories;
    const id = uuidv7();
    await agentRuns.open(TENANT, anOpening(runId, { candidateId: id, agent: 'alpha' }));
    const batch = (content: string, from: number) => ({ publisher: id, from, items: [note(content)] });
    const genuine = signedBatch('token-1', batch('genuine', 1));
    await route(
      genuine,
      batch('unsigned', 2),
      signedBatch('guessed', batch('forged', 2)),
      { ...genuine, items: [note('altered')] },
      { ...batch('stranger', 1), publisher: uuidv7() },
    );
    expect([await log(), await reasons()]).toEqual([
      ['alpha: genuine'],
      Array<string>(4).fill('unknown-publisher'),
    ]);
    await agentRuns.open(
      TENANT,
      anOpening(runId, { activityAttempt: 2, agent: 'alpha', tokenHash: 'token-2' }),
    );
    await route(signedBatch('token-1', batch('zombie', 2)));
    await route(signedBatch('token-2', { ...batch('successor', 2), attempt: 2 }));
    expect(await log()).toEqual(['alpha: genuine', 'alpha: successor']);
    expect(await reasons()).toHaveLength(4);
  });

  test('counts what was read once, and for the attempt that holds the run alone', async () => {
    const { runId, route, mailbox } = await talk();
    const { messages, agentRuns } = database.repositories;
    await route(aBatch(['one', 'two', 'three'].map((content) => note(content))));
    const id = uuidv7();
    await agentRuns.open(TENANT, anOpening(runId, { candidateId: id, agent: 'beta' }));
    const read = (seqs: number[], tokenHash: string) =>
      messages.consume(TENANT, {
        runId,
        member: 'beta',
        seqs,
        attempt: { agentRunId: id, attempt: 1, tokenHash },
      });
    expect(await read([1], 'somebody else')).toEqual({ outcome: 'fenced' });
    expect(await read([2, 1], 'token-1')).toEqual({ outcome: 'consumed', count: 2 });
    expect(await read([1, 3], 'token-1')).toEqual({ outcome: 'consumed', count: 1 });
    expect(await mailbox('beta')).toEqual([]);
  });

  test('takes nothing after the end of the run, and says so', async () => {
    const { runId, route, log, reasons } = await talk();
    await database.repositories.runs.finish(TENANT, anEnd(runId));
    const watching = aBatch([note('late')], { publisher: 'client:watching', resends: true });
    expect(await route(aBatch([note('late')]), watching)).toEqual({ closed: true });
    expect([await log(), await reasons()]).toEqual([[], ['bus-closed']]);
  });

  test('is another tenant’s as little as its run', async () => {
    const { runId, route } = await talk();
    await route(aBatch([note('ours')]));
    const stranger = await database.repositories.tenants.create('stranger');
    const { messages } = database.repositories;
    expect(await messages.history(stranger, runId, { after: 0, limit: 10 })).toEqual([]);
    await expect(messages.counts(stranger, runId)).rejects.toMatchObject({ code: 'RUN_UNKNOWN' });
  });
});
