import { setTimeout as sleep } from 'node:timers/promises';
import type { AgentBus } from '../../src/activities/bus/agent-bus';
import { LOCAL_TENANT_ID } from '../../src/protocol/run';
import { attend, holdBus, startTalk, type Talk, talkingProcess, until } from './support/talk';

let talk: Talk;
beforeAll(async () => {
  talk = await startTalk();
});
afterAll(() => talk[Symbol.asyncDispose]());

const SOON = { timeoutMs: 20_000 };
const NOW = { timeoutMs: 0 };

/** A run whose bus is there, with readers that have looked into their mailboxes: nothing comes the short way before. */
async function aPair(): Promise<{ runId: string; alpha: AgentBus; beta: AgentBus } & Disposable> {
  const runId = await talk.run();
  await talk.team.client.messages.configure(runId, {});
  const alpha = await talk.attend(runId, { member: 'alpha', address: '8' });
  const beta = await talk.attend(runId, { member: 'beta', address: '9' });
  await Promise.all([alpha.receive(NOW), beta.receive(NOW)]);
  const dispose = (): void => {
    alpha[Symbol.dispose]();
    beta[Symbol.dispose]();
  };
  return { runId, alpha, beta, [Symbol.dispose]: dispose };
}

const hold = (runId: string) => holdBus(talk.team.admin, runId);

describe('what one member says to another of its process', () => {
  test('is heard before it is in the log, once, and is read like anything else', async () => {
    using pair = await aPair();
    const { runId, alpha, beta } = pair;
    await using bus = await hold(runId);
    const body = { word: 'early' };
    const sent = alpha.send('beta', body, { correlationId: 'c-1' });
    const heard = await beta.receive(SOON);
    body.word = 'changed since';
    expect(await talk.log(runId)).toEqual([]);
    expect(heard).toMatchObject({ seq: 0, from: 'alpha', content: { word: 'early' }, correlationId: 'c-1' });
    await bus.letGo();
    await sent;
    await beta.commit();
    const [logged] = await talk.log(runId);
    expect(logged).toEqual({ ...heard, seq: 1, createdAt: logged?.createdAt });
    expect(await beta.receive(NOW)).toBeUndefined();
    const { mailboxes } = await talk.team.client.messages.counts(runId);
    expect(mailboxes).toEqual([{ member: 'beta', pending: 0, delivered: 1, consumed: 1 }]);
  });

  test('is answered before it is in the log, as often as they like', async () => {
    using pair = await aPair();
    const { runId, alpha, beta } = pair;
    await using bus = await hold(runId);
    const answering = (async () => {
      for (let count = 0; count < 20; count += 1) {
        const request = await beta.receive(SOON);
        if (request !== undefined) await Promise.race([beta.respond(request, count), sleep(0)]);
      }
    })();
    const replies: unknown[] = [];
    for (let count = 0; count < 20; count += 1)
      replies.push((await alpha.request('beta', 'what next?', SOON)).content);
    await answering;
    expect(replies).toEqual(Array.from({ length: 20 }, (_, index) => index));
    expect(await talk.log(runId)).toEqual([]);
    await bus.letGo();
    await Promise.all([alpha.drained(), beta.drained()]);
    const log = await talk.log(runId);
    expect(log.map(({ type }) => type)).toEqual(replies.flatMap(() => ['request', 'response']));
  });

  test('keeps its order with what took the long way', async () => {
    using pair = await aPair();
    const { runId, alpha, beta } = pair;
    const large = 'x'.repeat(3_000);
    const saying = (async () => {
      for (let number = 0; number < 300; number += 1) {
        const body = { number, text: number % 11 === 0 ? large : '' };
        if (number % 7 === 0) void alpha.broadcast(body);
        else void alpha.send('beta', body, number % 5 === 0 ? { ttlMs: 60_000 } : {});
        if (number % 40 === 0) await alpha.drained();
        await sleep(number % 3);
      }
    })();
    const numbers: number[] = [];
    let early = 0;
    while (numbers.length < 300)
      for (const { seq, content } of await beta.receiveMany(5, SOON)) {
        if (seq === 0) early += 1;
        numbers.push(Object(content).number);
      }
    await saying;
    expect(numbers).toEqual(Array.from({ length: 300 }, (_, index) => index));
    expect(early).toBeGreaterThan(0);
    await beta.commit();
    expect(await beta.receive(NOW)).toBeUndefined();
    const { mailboxes } = await talk.team.client.messages.counts(runId);
    expect(mailboxes).toContainEqual({ member: 'beta', pending: 0, delivered: 300, consumed: 300 });
  });

  test('does not hide what is more urgent and came from elsewhere', async () => {
    using pair = await aPair();
    const { runId, alpha, beta } = pair;
    await talk.team.client.messages.send(runId, { to: 'beta', content: 'urgent', priority: 'urgent' });
    await until(async () => (await talk.log(runId)).length === 1);
    const chatter = (async () => {
      for (let count = 0; count < 50; count += 1) await Promise.race([alpha.send('beta', count), sleep(1)]);
    })();
    const heard = await Promise.all(Array.from({ length: 10 }, () => beta.receive(SOON)));
    expect(heard.map((message) => message?.content)).toContain('urgent');
    await chatter;
    await alpha.drained();
  });
});

describe('who has heard something that is not in the log', () => {
  test('commits once it is', async () => {
    using pair = await aPair();
    const { runId, alpha, beta } = pair;
    await using bus = await hold(runId);
    const sent = alpha.send('beta', 'early');
    await beta.receive(SOON);
    let committed = false;
    const committing = Promise.all([beta.commit(), beta.drained()]).then(() => (committed = true));
    await sleep(500);
    expect(committed).toBe(false);
    await bus.letGo();
    await Promise.all([committing, sent]);
    expect(beta.held()).toBeUndefined();
  });

  test('fails, and may be tried again, where it is not in time', async () => {
    const runId = await talk.run();
    await talk.team.client.messages.configure(runId, {});
    await using impatient = talkingProcess(talk.team.environment, { loggedWithinMs: 300 });
    using alpha = await attend(impatient, runId, { member: 'alpha', address: '8' });
    using beta = await attend(impatient, runId, { member: 'beta', address: '9' });
    await beta.receive(NOW);
    await using bus = await hold(runId);
    const sent = alpha.send('beta', 'late');
    const heard = await beta.receive(SOON);
    const late = { code: 'MESSAGE_NOT_LOGGED', message: expect.stringContaining(heard?.id ?? 'nothing') };
    await expect(beta.commit()).rejects.toMatchObject(late);
    await bus.letGo();
    await sent;
    // It has acted on what might never have been: from here on only another attempt counts.
    await expect(beta.drained()).rejects.toMatchObject(late);
    await expect(beta.receive(NOW)).rejects.toMatchObject(late);
    await expect(beta.send('alpha', 1)).rejects.toMatchObject(late);
    using again = await attend(impatient, runId, { member: 'beta', address: '9', attempt: 2 });
    expect(await again.receive(SOON)).toMatchObject({ seq: 1, content: 'late' });
  });

  test('fails where a zombie said it, and its next attempt does not hear it', async () => {
    using pair = await aPair();
    const { runId, alpha: zombie, beta } = pair;
    await zombie.send('beta', 'true');
    using successor = await talk.attend(runId, { member: 'alpha', address: '8', attempt: 2 });
    await successor.send('gamma', 'I am alpha now');
    const refused = zombie.send('beta', 'ghost');
    const heard = await beta.receiveMany(2, SOON);
    const more = heard.length < 2 ? await beta.receiveMany(1, SOON) : [];
    expect([...heard, ...more].map(({ content }) => content)).toEqual(['true', 'ghost']);
    await expect(refused).rejects.toMatchObject({ code: 'ATTEMPT_FENCED' });
    // Nor does it wait for a reply to what nobody will be asked.
    await expect(zombie.request('beta', 'really?', SOON)).rejects.toMatchObject({ code: 'ATTEMPT_FENCED' });
    await expect(beta.commit()).rejects.toMatchObject({ code: 'MESSAGE_NOT_LOGGED' });
    beta[Symbol.dispose]();
    using again = await talk.attend(runId, { member: 'beta', address: '9', attempt: 2 });
    expect((await again.receiveMany(5, SOON)).map(({ content }) => content)).toEqual(['true']);
    expect(await again.receive({ timeoutMs: 500 })).toBeUndefined();
  });

  test('fails where its mailbox turns out to have no room for it', async () => {
    using pair = await aPair();
    const { runId, alpha, beta } = pair;
    await talk.team.client.messages.configure(runId, { mailbox: { limit: 5, policy: 'reject' } });
    using outsider = await talk.buses.outsider({
      tenantId: LOCAL_TENANT_ID,
      runId,
      publisher: 'client:crowd',
    });
    await using bus = await hold(runId);
    const crowd = Array.from({ length: 5 }, (_, content) =>
      outsider.send({ to: 'beta', type: 'inform', content }),
    );
    const sent = alpha.send('beta', 'one too many');
    expect(await beta.receive(SOON)).toMatchObject({ content: 'one too many' });
    await bus.letGo();
    await Promise.all([...crowd, sent]);
    await expect(beta.drained()).rejects.toMatchObject({ code: 'MESSAGE_NOT_LOGGED' });
  });
});
