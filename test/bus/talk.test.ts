import { createApp } from '../../src/api/app';
import { busIdOf } from '../../src/core/ids';
import { LOCAL_TENANT_ID } from '../../src/protocol/run';
import { registerMessageType } from '../../src/protocol/message-type';
import { createLogger } from '../../src/telemetry/log';
import { z } from 'zod';
import { startTalk, type Talk, until } from './support/talk';

let talk: Talk;
beforeAll(async () => {
  talk = await startTalk();
});
afterAll(() => talk[Symbol.asyncDispose]());

const SOON = { timeoutMs: 20_000 };

describe('members', () => {
  test('ask and answer, under the one id', async () => {
    const runId = await talk.run();
    using alpha = await talk.attend(runId, { member: 'alpha', address: '8' });
    using beta = await talk.attend(runId, { member: 'beta', address: '9' });
    const answered = (async () => {
      const request = await beta.receive({
        ...SOON,
        filter: { op: 'eq', pointer: '/type', value: 'request' },
      });
      if (request === undefined) throw new Error('no request came');
      await beta.respond(request, { path: ['root', 'left-pad'] });
    })();
    const reply = await alpha.request({ capability: 'as-beta' }, { of: 'left-pad' }, SOON);
    await answered;
    expect(reply).toMatchObject({ from: 'beta', type: 'response', content: { path: ['root', 'left-pad'] } });
    const [request] = await talk.log(runId);
    expect(reply.correlationId).toBe(request?.id);
  });

  test('wait for a reply no longer than they said', async () => {
    const runId = await talk.run();
    using alpha = await talk.attend(runId, { member: 'alpha', address: '8' });
    const asked = alpha.request('beta', 'anybody?', { timeoutMs: 50 });
    await expect(asked).rejects.toMatchObject({ code: 'MESSAGE_TIMEOUT' });
  });

  test('hear what they subscribed to, the most urgent first, and read large bodies like small ones', async () => {
    const runId = await talk.run();
    using alpha = await talk.attend(runId, { member: 'alpha', address: '8' });
    using beta = await talk.attend(runId, { member: 'beta', address: '9' });
    await beta.subscribe({ topic: 'finding.*.high' });
    const large = { text: 'x'.repeat(100_000) };
    await Promise.all([
      alpha.publish('finding.licence.low', 'not for beta'),
      alpha.publish('finding.licence.high', large),
      alpha.send('beta', 'first', { priority: 'low' }),
      alpha.broadcast('all', { priority: 'urgent' }),
      alpha.send('beta', 'last', { priority: 'low' }),
    ]);
    const heard = await beta.receiveMany(10, SOON);
    expect(heard.map(({ content }) => content)).toEqual(['all', large, 'first', 'last']);
    const [, publication] = await alpha.history({ topic: 'finding.licence.high' });
    expect(publication).toBeUndefined();
    expect((await alpha.history({ topic: 'finding.licence.high' }))[0]?.ref).toMatchObject({
      bytes: 100_011,
    });
  });

  test('who receive at the same time are each given a message of their own', async () => {
    const runId = await talk.run();
    using alpha = await talk.attend(runId, { member: 'alpha', address: '8' });
    using beta = await talk.attend(runId, { member: 'beta', address: '9' });
    const numbers = Array.from({ length: 30 }, (_, number) => number);
    const receiving = numbers.map(() => beta.receive(SOON));
    // Bodies of either kind: those that have to be loaded change places while they are.
    await Promise.all(
      numbers.map((number) => alpha.send('beta', { number, text: 'x'.repeat(number % 2 === 0 ? 1 : 5_000) })),
    );
    const heard = (await Promise.all(receiving)).map((message) => message?.content);
    expect(heard.map((content) => Object(content).number).toSorted((a, b) => a - b)).toEqual(numbers);
    await beta.commit();
    expect(await beta.receive({ timeoutMs: 0 })).toBeUndefined();
  });

  test('are read again by another attempt until what was read is committed', async () => {
    const runId = await talk.run();
    using alpha = await talk.attend(runId, { member: 'alpha', address: '8' });
    await Promise.all(['one', 'two', 'three'].map((content) => alpha.send('beta', content)));
    using first = await talk.attend(runId, { member: 'beta', address: '9' });
    await first.receive(SOON);
    await first.commit();
    await first.receive(SOON);
    using second = await talk.attend(runId, { member: 'beta', address: '9', attempt: 2 });
    const again = await second.receiveMany(10, SOON);
    expect(again.map(({ content }) => content)).toEqual(['two', 'three']);
    await expect(first.commit()).rejects.toMatchObject({ code: 'ATTEMPT_FENCED' });
    await second.commit();
    expect(await second.receive({ timeoutMs: 0 })).toBeUndefined();
  });

  test('a zombie says nothing any more, and its successor repeats nothing that is said', async () => {
    const runId = await talk.run();
    using zombie = await talk.attend(runId, { member: 'alpha', address: '8' });
    for (const content of ['a', 'b', 'c', 'd']) await zombie.send('beta', content);
    using successor = await talk.attend(runId, { member: 'alpha', address: '8', attempt: 2 });
    const ids = await Promise.all(
      ['a', 'b', 'else', 'more'].map((content) => successor.send('beta', content)),
    );
    await expect(zombie.send('beta', 'e')).rejects.toMatchObject({ code: 'ATTEMPT_FENCED' });
    const log = await talk.log(runId);
    expect(log.map(({ content }) => content)).toEqual(['a', 'b', 'c', 'd', 'else', 'more']);
    expect(ids).toEqual([log[0]?.id, log[1]?.id, log[4]?.id, log[5]?.id]);
    using third = await talk.attend(runId, { member: 'alpha', address: '8', attempt: 3 });
    for (const content of ['a', 'b', 'c', 'd', 'else', 'more', 'new']) await third.send('beta', content);
    expect(await talk.log(runId)).toHaveLength(7);
  });

  test('wait while a mailbox that blocks is full, and go on when there is room', async () => {
    const runId = await talk.run();
    await talk.team.client.messages.configure(runId, { mailbox: { limit: 2, policy: 'block' } });
    using alpha = await talk.attend(runId, { member: 'alpha', address: '8' });
    using beta = await talk.attend(runId, { member: 'beta', address: '9' });
    let sent = 0;
    const sending = ['one', 'two', 'three'].map((content) =>
      alpha.send('beta', content).then(() => (sent += 1)),
    );
    await Promise.all(sending.slice(0, 2));
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(sent).toBe(2);
    await beta.receive(SOON);
    await beta.commit();
    await Promise.all(sending);
    expect((await beta.receiveMany(5, SOON)).map(({ content }) => content)).toEqual(['two', 'three']);
  });

  test('are told what they may not send', async () => {
    const runId = await talk.run();
    using alpha = await talk.attend(runId, { member: 'alpha', address: '8' });
    for (const wrong of [
      alpha.send('No Name', 1),
      alpha.publish('a topic', 1),
      alpha.send('beta', 'nul \0'),
      alpha.send('beta', 1, { type: 'unheard-of' }),
      alpha.subscribe({}),
    ])
      await expect(wrong).rejects.toMatchObject({ code: 'INPUT_INVALID' });
    expect(await alpha.send('beta', 'fine')).toMatch(/\/1$/);
  });

  test('know more types where a plugin registers them', async () => {
    registerMessageType({
      name: 'vote',
      content: z.strictObject({ for: z.string() }),
      handle: (message) => ({ ...message, content: { counted: message.content ?? null } }),
    });
    const runId = await talk.run();
    using alpha = await talk.attend(runId, { member: 'alpha', address: '8' });
    using beta = await talk.attend(runId, { member: 'beta', address: '9' });
    await expect(alpha.send('beta', { against: 1 }, { type: 'vote' })).rejects.toMatchObject({
      code: 'INPUT_INVALID',
    });
    await alpha.send('beta', { for: 'peace' }, { type: 'vote' });
    expect(await beta.receive(SOON)).toMatchObject({ content: { counted: { for: 'peace' } } });
  });
});

describe('clients', () => {
  test('send, read, and set right what went wrong, over the client and over HTTP', async () => {
    const runId = await talk.run();
    const { client } = talk.team;
    const log = createLogger({ level: 'silent', format: 'json' });
    const app = createApp({ client, log, ready: () => client.ready() });
    const at = async (path: string, init?: RequestInit) => {
      const response = await app.request(`/v1/runs/${runId}${path}`, init);
      return { status: response.status, body: (await response.json()) as Record<string, unknown> };
    };
    const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
      at(path, { method: 'POST', body: JSON.stringify(body), headers });

    const { id } = await client.messages.send(runId, { to: 'beta', content: 'from the client', from: 'web' });
    const message = { to: 'ghost', content: { text: 'over HTTP' }, correlationId: 'c-1' };
    const sent = await post('/messages', message, { 'Idempotency-Key': 'once' });
    expect(sent).toMatchObject({ status: 201, body: { id: 'client:client/once/1' } });
    expect(await post('/messages', message, { 'Idempotency-Key': 'once' })).toEqual(sent);
    expect(await post('/messages', { content: 1 })).toMatchObject({ status: 400 });

    const { body } = await at('/messages?limit=1');
    expect(body).toMatchObject({ messages: [{ id, seq: 1, from: 'client:web', to: 'beta' }] });
    expect((await at('/messages?after=1&correlationId=c-1')).body).toMatchObject({ messages: [{ seq: 2 }] });
    expect((await at('/messages/counts')).body).toMatchObject({ logged: 2, dead: 1 });
    expect((await at('/messages/1/receipts')).body).toEqual({
      receipts: [{ member: 'beta', status: 'delivered' }],
    });
    expect((await at('/dead-letters')).body).toMatchObject({
      deadLetters: [{ no: 1, reason: 'unknown-recipient', seq: 2 }],
    });
    expect((await post('/dead-letters/redrive', { nos: [1], to: 'gamma' })).body).toEqual({ redriven: 1 });
    expect((await at('/dead-letters', { method: 'DELETE' })).body).toEqual({ purged: 1 });
    expect(await at('/messages?after=x')).toMatchObject({ status: 400 });
    await expect(client.messages.history(crypto.randomUUID())).rejects.toMatchObject({ code: 'RUN_UNKNOWN' });
  });

  test('are refused after the end, and what was sent before it is in the log', async () => {
    const runId = await talk.run();
    const { client, temporal } = talk.team;
    using sender = await talk.buses.outsider({ tenantId: LOCAL_TENANT_ID, runId, publisher: 'client:late' });
    const sent = Array.from({ length: 50 }, (_, index) =>
      sender.send({ to: 'beta', type: 'inform', content: index }),
    );
    await Promise.all(sent);
    await client.cancel(runId);
    expect((await client.result(runId)).status).toBe('cancelled');
    await expect(client.messages.send(runId, { to: 'beta', content: 1 })).rejects.toMatchObject({
      code: 'BUS_CLOSED',
    });
    await expect(sender.send({ to: 'beta', type: 'inform', content: 1 })).rejects.toMatchObject({
      code: 'BUS_CLOSED',
    });
    expect(await talk.log(runId)).toHaveLength(50);
    const bus = temporal.workflow.getHandle(busIdOf(runId));
    await until(async () => (await bus.describe()).status.name === 'COMPLETED');
  });
});
