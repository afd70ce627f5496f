import { z } from 'zod';
import { loadConfig } from '../../src/config';
import type { ModelProvider, ModelRequest } from '../../src/llm/port';
import { invokeStructured } from '../../src/llm/structured';
import { describeCapabilities } from '../../src/runtime/model-capabilities';
import { type Refusal, startProviderServer, type ProviderServer } from '../support/provider-server/server';
import type { Script } from '../support/provider-server/script';
import { ask, collect, endOf, LOOKUP, PLACE, textOf } from './conformance/samples';
import { providerFor } from './subjects';

type Body = Readonly<Record<string, unknown>>;

const servers: ProviderServer[] = [];
afterEach(() => Promise.all(servers.splice(0).map((server) => server.close())));

/** A server that refuses what it is told to; a new one is a new base URL, of which nothing is known yet. */
async function limited(
  refuses: (body: Body) => Refusal | undefined,
  script: Script = () => ({ text: '{"city":"Oslo","year":1994}' }),
): Promise<{ provider: ModelProvider; server: ProviderServer }> {
  const server = await startProviderServer({ script, refuses });
  servers.push(server);
  return { server, provider: providerFor('chat', server) };
}

const refusing =
  (holds: (body: Body) => boolean, message = 'Extra inputs are not permitted', status = 400) =>
  (body: Body): Refusal | undefined =>
    holds(body) ? { status, message } : undefined;

const formatOf = (body: Body): Body | undefined => body['response_format'] as Body | undefined;
const isStrict = (body: Body): boolean =>
  (formatOf(body)?.['json_schema'] as Body | undefined)?.['strict'] === true;
const shaped = (more: Partial<ModelRequest> = {}) => ({
  ...ask('Where?', more),
  schema: { name: 'place', type: PLACE },
});

test('a server that takes everything is never probed', async () => {
  const { provider, server } = await limited(() => undefined);
  await collect(provider.invokeStreaming({ ...shaped(), maxOutputTokens: 50, temperature: 0 }));
  await provider.invoke(ask('Hi', { tools: [LOOKUP], toolChoice: 'required' }));
  expect(server.requests).toHaveLength(2);
});

test('a stream goes on without usage where the server does not count it', async () => {
  const { provider, server } = await limited(refusing((body) => 'stream_options' in body));
  const chunks = await collect(provider.invokeStreaming(ask('Hi')));
  expect(textOf(chunks)).toContain('Oslo');
  // Refused, the plainest request, the feature alone, and the request without it.
  expect(server.requests).toHaveLength(4);
  await collect(provider.invokeStreaming(ask('Hi')));
  expect(server.requests).toHaveLength(5);
});

test.each<[string, (body: Body) => boolean, (body: Body) => boolean]>([
  ['strict mode', isStrict, (body) => formatOf(body)?.['type'] === 'json_schema' && !isStrict(body)],
  [
    'schemas',
    (body) => formatOf(body)?.['type'] === 'json_schema',
    (body) => formatOf(body)?.['type'] === 'json_object',
  ],
  ['response formats', (body) => 'response_format' in body, (body) => !('response_format' in body)],
])('an answer has its shape from a server without %s', async (_title, refused, sent) => {
  const { provider, server } = await limited(refusing(refused, 'response_format is not supported'));
  const { value } = await invokeStructured(provider, shaped());
  expect(value).toEqual({ city: 'Oslo', year: 1994 });
  expect(sent(server.requests.at(-1)?.body ?? {})).toBe(true);
  const before = server.requests.length;
  await invokeStructured(provider, shaped());
  expect(server.requests).toHaveLength(before + 1);
});

test.each<[string, readonly string[], Body]>([
  ['max_tokens', ['max_tokens'], { max_completion_tokens: 77 }],
  ['any limit', ['max_tokens', 'max_completion_tokens'], {}],
  ['temperature', ['temperature'], { max_tokens: 77 }],
])('a request without %s goes to a server that refuses it', async (_title, refused, sent) => {
  const { provider, server } = await limited(refusing((body) => refused.some((key) => key in body)));
  await provider.invoke(ask('Hi', { maxOutputTokens: 77, temperature: 0.2 }));
  const last = server.requests.at(-1)?.body ?? {};
  expect(last).toMatchObject(sent);
  for (const key of refused) expect(last).not.toHaveProperty(key);
});

describe.each([
  ['a refusal', 'This model does not support tools', 400],
  ['a failure that names them', 'tools param requires --jinja flag', 500],
  ['an unknown address that names them', 'No endpoints found that support tool use', 404],
])('tools told in words to a server that answers them by %s', (_title, message, status) => {
  const call = { text: 'Sure:\n{"tool_calls":[{"name":"lookup","arguments":{"name":"Oslo"}}]}' };

  test('are called, and their results taken', async () => {
    let asked = 0;
    const { provider, server } = await limited(
      refusing((body) => 'tools' in body, message, status),
      ({ body }) => {
        if (!JSON.stringify(body).includes('You can call tools')) return { text: '{"ok":true}' };
        asked += 1;
        return asked === 1 ? call : { text: 'It has 700000.' };
      },
    );
    const request = ask('How many live in Oslo?', { tools: [LOOKUP] });
    const { text, toolCalls, finishReason } = await provider.invoke(request);
    expect({ text, finishReason }).toEqual({ text: '', finishReason: 'tool-calls' });
    expect(toolCalls).toEqual([{ id: expect.any(String), name: 'lookup', arguments: { name: 'Oslo' } }]);
    const result = { role: 'tool' as const, toolCallId: toolCalls[0]?.id ?? '', text: '700000' };
    const turn = { role: 'assistant' as const, text, toolCalls };
    const end = await provider.invoke({ ...request, messages: [...request.messages, turn, result] });
    expect(end).toMatchObject({ text: 'It has 700000.', finishReason: 'stop', toolCalls: [] });
    const { messages } = server.requests.at(-1)?.body ?? {};
    expect((messages as Body[]).map(({ role }) => role)).toEqual(['system', 'user', 'assistant', 'user']);
  });

  test('are called in a stream', async () => {
    const { provider } = await limited(
      refusing((body) => 'tools' in body, message, status),
      () => call,
    );
    const chunks = await collect(provider.invokeStreaming(ask('How many?', { tools: [LOOKUP] })));
    expect(chunks.map(({ type }) => type)).toEqual(['tool-call', 'end']);
    expect(endOf(chunks)?.toolCalls[0]?.arguments).toEqual({ name: 'Oslo' });
  });
});

test('a tool choice that is refused is left out, the tools stay', async () => {
  const { provider, server } = await limited(refusing((body) => 'tool_choice' in body));
  await provider.invoke(ask('Hi', { tools: [LOOKUP], toolChoice: 'required' }));
  expect(server.requests.at(-1)?.body).toHaveProperty('tools');
  expect(server.requests.at(-1)?.body).not.toHaveProperty('tool_choice');
});

test('a server that refuses everything fails as before, and nothing is concluded from it', async () => {
  let closed = true;
  const { provider, server } = await limited(() => (closed ? { message: 'no model is loaded' } : undefined));
  await expect(provider.invoke(ask('Hi', { tools: [LOOKUP] }))).rejects.toMatchObject({
    code: 'MODEL_REQUEST_INVALID',
    message: expect.stringContaining('no model is loaded'),
  });
  expect(server.requests).toHaveLength(2);
  await expect(provider.capabilities?.()).rejects.toThrow('refuses even the plainest request');
  closed = false;
  await provider.invoke(ask('Hi', { tools: [LOOKUP] }));
  expect(server.requests.at(-1)?.body).toHaveProperty('tools');
});

test('a probe that fails for another reason fails the call with that reason', async () => {
  const { provider } = await limited(
    refusing((body) => 'tools' in body),
    [{ fault: 'rate-limited' }],
  );
  await expect(provider.invoke(ask('Hi', { tools: [LOOKUP] }))).rejects.toMatchObject({
    code: 'MODEL_RATE_LIMITED',
    retryAfterMs: 7_000,
  });
});

test('many calls at once probe once', async () => {
  const { provider, server } = await limited(refusing((body) => 'temperature' in body));
  await Promise.all(Array.from({ length: 10 }, () => provider.invoke(ask('Hi', { temperature: 0 }))));
  const probes = server.requests.filter(({ body }) => JSON.stringify(body).includes('and nothing else'));
  expect(probes).toHaveLength(2);
  expect(server.requests).toHaveLength(10 + 2 + 10);
});

test('probes are bounded by the call that made them', async () => {
  const hanging: Script = () => ({ fault: 'silent-hang' });
  const { provider } = await limited(
    refusing((body) => 'temperature' in body),
    hanging,
  );
  const call = provider.invoke(ask('Hi', { temperature: 0 }), { timeoutMs: 300 });
  await expect(call).rejects.toMatchObject({ code: 'MODEL_TIMEOUT' });
});

test('the doctor says in one line what the configured server takes', async () => {
  const { server } = await limited(refusing((body) => 'stream_options' in body));
  const config = loadConfig({ OPENAI_BASE_URL: server.openAiUrl, ENSEMBLE_MODEL_FALLBACKS: 'offline' });
  expect(await describeCapabilities(config, AbortSignal.timeout(20_000))).toBe(
    'default takes tools, tool-choice, json-schema-strict, json-schema, json-object, max-tokens, max-completion-tokens, temperature; refuses stream-usage',
  );
});

test('capabilities are asked for all at once, and known from then on', async () => {
  const { provider, server } = await limited(
    refusing((body) => 'stream_options' in body || 'max_tokens' in body || isStrict(body)),
  );
  const expected = {
    'stream-usage': false,
    tools: true,
    'tool-choice': true,
    'json-schema-strict': false,
    'json-schema': true,
    'json-object': true,
    'max-tokens': false,
    'max-completion-tokens': true,
    temperature: true,
  };
  expect(await provider.capabilities?.()).toEqual(expected);
  const { length } = server.requests;
  expect(await provider.capabilities?.()).toEqual(expected);
  expect(server.requests).toHaveLength(length);
  await invokeStructured(provider, {
    ...ask('Where?', { maxOutputTokens: 9 }),
    schema: { name: 'place', type: z.object({ city: z.string() }) },
  });
  expect(server.requests).toHaveLength(length + 1);
});
