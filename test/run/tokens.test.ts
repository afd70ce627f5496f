import { setTimeout as sleep } from 'node:timers/promises';
import { createApp } from '../../src/api/app';
import { ModelError } from '../../src/llm/model-error';
import type { ModelChunk, ModelProvider, ModelReply } from '../../src/llm/port';
import type { TokenChunk } from '../../src/protocol/token';
import { createLogger } from '../../src/telemetry/log';
import { anAgent } from '../support/agents';
import { startTeam, type Team } from '../support/team';

type Delta = Exclude<ModelChunk, { type: 'end' }>;

const identity = { provider: 'scripted', model: 'script-1' };
const usage = { inputTokens: 9, outputTokens: 3, cachedInputTokens: 0, reasoningTokens: 0 };
/** What the model streams when it is asked this; an error breaks the stream off, a promise makes it wait. */
const streams = new Map<string, (Delta | Error | (() => Promise<void>))[]>();

const model: ModelProvider = {
  name: identity.provider,
  model: identity.model,
  invoke: () => Promise.reject(new Error('only streams')),
  async *invokeStreaming({ messages }, { signal } = {}) {
    const [asked] = messages;
    let text = '';
    for (const step of streams.get(asked?.text ?? '') ?? []) {
      signal?.throwIfAborted();
      if (step instanceof Error) throw step;
      if (typeof step === 'function') await step();
      else {
        if (step.type === 'text') text += step.text;
        yield step;
      }
    }
    const reply: ModelReply = { ...identity, text, toolCalls: [], finishReason: 'stop', usage };
    yield { type: 'end', reply };
  },
  countTokens: () => Promise.resolve(1),
};

/** Asks the model what its options say, one streamed call each, and answers with the length of what it heard. */
const speaker = anAgent('speaker', async (task, { model: asked, attempt }) => {
  let heard = 0;
  for (const line of task.text.split('|')) {
    const text = line.replace('#', String(attempt));
    for await (const chunk of asked.invokeStreaming({ messages: [{ role: 'user', text }] }))
      if (chunk.type === 'end') heard += chunk.reply.text.length;
  }
  return { heard };
});
const plan = { type: 'agent', agent: 'speaker', retry: { maxAttempts: 2, initialIntervalMs: 20 } } as const;
const text = (said: string): Delta => ({ type: 'text', text: said });
const cut = () => new ModelError('MODEL_ANSWER_CUT', 'the line broke', identity);

let team: Team;
beforeAll(async () => {
  team = await startTeam([speaker], model);
});
afterAll(() => team[Symbol.asyncDispose]());

async function collect(runId: string, after = 0): Promise<TokenChunk[]> {
  const chunks: TokenChunk[] = [];
  for await (const chunk of team.client.tokens(runId, { after })) chunks.push(chunk);
  return chunks;
}

/** What somebody who follows has in front of him in the end: a reset voids what it says it does. */
function shown(chunks: readonly TokenChunk[]): string {
  const calls = new Map<string, string>();
  for (const { attempt, call, kind, text: piece } of chunks) {
    if (kind === 'reset' && call === 0) calls.clear();
    else if (kind === 'reset') calls.delete(`${attempt}.${call}`);
    else calls.set(`${attempt}.${call}`, (calls.get(`${attempt}.${call}`) ?? '') + piece);
  }
  return [...calls.values()].join('|');
}

test('a reader sees what is said while it is said, each piece once, from any cursor; histories hold none of it', async () => {
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => (release = resolve));
  const words = Array.from({ length: 60 }, (_, index) => `secret-word-${index} `);
  streams.set('live', [
    { type: 'reasoning', text: 'Let me think. ' },
    ...words.slice(0, 30).map(text),
    () => held,
    ...words.slice(30).flatMap((word) => [text(word), () => sleep(5)]),
  ]);
  const { runId } = await team.client.start({ task: 'live', plan });
  const seen: TokenChunk[] = [];
  for await (const chunk of team.client.tokens(runId)) {
    seen.push(chunk);
    // The model says nothing more before somebody has heard its first half.
    if (shown(seen).includes('secret-word-29')) release();
  }
  expect(shown(seen)).toBe(`Let me think. ${words.join('')}`);
  expect(seen.at(-1)).toMatchObject({
    kind: 'end',
    text: '',
    agent: 'speaker',
    address: '0',
    attempt: 1,
    call: 1,
  });
  expect(seen[0]).toMatchObject({ kind: 'reasoning', text: 'Let me think. ' });
  const numbers = seen.map(({ seq }) => seq);
  expect(numbers).toEqual([...new Set(numbers)].toSorted((a, b) => a - b));
  // Gathered: fewer pieces than deltas.
  expect(seen.length).toBeLessThan(words.length);
  expect(await collect(runId)).toEqual(seen);
  for (const [index, { seq }] of seen.entries())
    expect(await collect(runId, seq)).toEqual(seen.slice(index + 1));
  const result = await team.client.result(runId);
  expect(result.output).toEqual({ heard: words.join('').length });
  const history = await team.temporal.workflow.getHandle(`run-${runId}`).fetchHistory();
  expect(JSON.stringify(history)).not.toContain('secret-word');
  const [call] = await team.client.modelCalls(runId);
  expect(call).toMatchObject({ ...usage, failure: null });
  expect(call?.firstTokenMs).toBeLessThanOrEqual(call?.durationMs ?? -1);
});

test('a retry voids what the attempt before it said, and a call that broke off what it said itself', async () => {
  streams.set('first call', [text('kept in its attempt')]);
  streams.set('attempt 1', [text('half a sen'), () => sleep(100), cut()]);
  streams.set('attempt 2', [text('a whole sentence')]);
  const { runId } = await team.client.start({ task: 'first call|attempt #', plan });
  const chunks = await collect(runId);
  expect(chunks.map(({ attempt, call, kind }) => `${attempt}.${call} ${kind}`)).toEqual([
    '1.1 text',
    '1.1 end',
    '1.2 text',
    '1.2 reset',
    '2.0 reset',
    '2.1 text',
    '2.1 end',
    '2.2 text',
    '2.2 end',
  ]);
  expect(shown(chunks)).toBe('kept in its attempt|a whole sentence');
  expect(shown(chunks.slice(0, 4))).toBe('kept in its attempt');
  const calls = await team.client.modelCalls(runId);
  expect(calls.map(({ attempt, failure }) => [attempt, failure?.code ?? null])).toEqual([
    [1, null],
    [1, 'MODEL_ANSWER_CUT'],
    [2, null],
    [2, null],
  ]);
  expect((await team.client.result(runId)).usage).toMatchObject({ modelCalls: 4, inputTokens: null });
});

test('tool calls are streamed apart; characters that rows cannot hold do not stop the stream', async () => {
  const search = (id: string, argumentsDelta: string): Delta => ({
    type: 'tool-call',
    id,
    name: 'search',
    argumentsDelta,
  });
  streams.set('odd', [
    text('null \0, half \ud800, and '),
    text('\ud83d'),
    text('\ude00 whole'),
    search('a', '{"q":'),
    search('a', '1}'),
    search('b', '{}'),
  ]);
  const { runId } = await team.client.start({ task: 'odd', plan });
  const pieces = await collect(runId);
  const toolOf = ({ tool, text: said }: TokenChunk) =>
    tool === null ? said : `${tool.name} ${tool.id} ${said}`;
  expect(pieces.map(toolOf).join('\n').replaceAll('\n', '')).toBe(
    'null \ufffd, half \ufffd, and \u{1f600} wholesearch a {"q":1}search b {}',
  );
});

test('a reader whose signal is aborted stops, and one without a run is told so', async () => {
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => (release = resolve));
  streams.set('endless', [text('begin'), () => held]);
  const { runId } = await team.client.start({ task: 'endless', plan });
  const stop = new AbortController();
  const reading = (async () => {
    for await (const { kind } of team.client.tokens(runId, { signal: stop.signal }))
      if (kind === 'text') stop.abort();
  })();
  await expect(reading).rejects.toMatchObject({ name: 'AbortError' });
  release();
  await team.client.result(runId);
  await expect(collect('nonsense')).rejects.toMatchObject({ code: 'RUN_UNKNOWN' });
});

test('100 agents that stream at once: every reader gets all of it', async () => {
  const words = Array.from({ length: 20 }, (_, index) => `w${index} `);
  streams.set(
    'crowd',
    words.flatMap((word) => [text(word), () => sleep(10)]),
  );
  const steps = Array.from({ length: 100 }, () => plan);
  const { runId } = await team.client.start({ task: 'crowd', plan: { type: 'parallel', steps } });
  const chunks = await collect(runId);
  const said = new Map<string, string>();
  for (const { address, text: piece } of chunks) said.set(address, (said.get(address) ?? '') + piece);
  expect(said.size).toBe(100);
  expect(new Set(said.values())).toEqual(new Set([words.join('')]));
  expect((await team.client.result(runId)).status).toBe('completed');
});

describe('over HTTP', () => {
  const log = createLogger({ level: 'silent', format: 'json' });
  const app = () => createApp({ client: team.client, log, ready: () => team.client.ready() });

  test('tokens are server-sent events that go on behind the last one received', async () => {
    streams.set('http', [text('one '), () => sleep(100), text('two '), () => sleep(100), text('three')]);
    const { runId } = await team.client.start({ task: 'http', plan });
    const body = await (await app().request(`/v1/runs/${runId}/tokens`)).text();
    const chunks = await collect(runId);
    const frames = body.trim().split('\n\n');
    expect(frames).toEqual(
      chunks.map((chunk) => `event: ${chunk.kind}\ndata: ${JSON.stringify(chunk)}\nid: ${chunk.seq}`),
    );
    const headers = { 'Last-Event-ID': String(chunks[0]?.seq) };
    const rest = await (await app().request(`/v1/runs/${runId}/tokens`, { headers })).text();
    expect(rest.trim().split('\n\n')).toEqual(frames.slice(1));
    const calls = await app().request(`/v1/runs/${runId}/model-calls`);
    expect(await calls.json()).toEqual({ modelCalls: await team.client.modelCalls(runId) });
  });

  test.each([
    ['a cursor that is none', 'tokens', { 'Last-Event-ID': 'soon' }, 400, /"soon" is no event number/],
  ])('%s', async (_, path, headers, status, detail) => {
    const { runId } = await team.client.run({ task: 'nothing', plan });
    const response = await app().request(`/v1/runs/${runId}/${path}`, { headers });
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({ detail: expect.stringMatching(detail) });
  });

  test('a run that is none is no stream but a problem', async () => {
    for (const path of ['tokens', 'tool-calls', 'model-calls']) {
      const response = await app().request(`/v1/runs/nonsense/${path}`);
      expect([path, response.status]).toEqual([path, 404]);
    }
  });
});
