import { type FallbackProvider, fallbackProvider, wrapEach } from '../../src/llm/fallback';
import { ModelError, type ModelFailureCode } from '../../src/llm/model-error';
import type { CallOptions, ModelChunk, ModelProvider, ModelReply } from '../../src/llm/port';
import { AppError, FAILURES } from '../../src/protocol/failures';
import { startProviderServer, type ProviderServer } from '../support/provider-server/server';
import type { WireName } from '../support/provider-server/script';
import { scriptedModel } from '../support/scripted-model';
import { ask, collect, endOf } from './conformance/samples';
import { providerFor } from './subjects';

const servers: ProviderServer[] = [];
afterAll(() => Promise.all(servers.map((server) => server.close())));

interface Member {
  readonly provider: ModelProvider;
  readonly server: ProviderServer;
}

async function members(...wires: WireName[]): Promise<[Member, ...Member[]]> {
  const made = await Promise.all(
    wires.map(async (wire) => {
      const server = await startProviderServer();
      servers.push(server);
      return { server, provider: providerFor(wire, server, { timeoutMs: 20_000 }) };
    }),
  );
  const [first, ...others] = made;
  if (first === undefined) throw new Error('a chain has a first member');
  return [first, ...others];
}

const chainOf = ([first, ...others]: [Member, ...Member[]]): FallbackProvider =>
  fallbackProvider([first.provider, ...others.map(({ provider }) => provider)]);

const failing = (code: ModelFailureCode, retryAfterMs?: number): ModelProvider => {
  const about = { provider: 'failing', model: code, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
  return {
    ...scriptedModel(new ModelError(code, 'as told', about)),
    name: 'failing',
    model: code,
  };
};

const failureOf = async (call: Promise<unknown>): Promise<AppError> => {
  const error: unknown = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!AppError.is(error)) throw new Error(`no failure, but ${String(error)}`);
  return error;
};

test('the first model answers where it can, and no other is called', async () => {
  const all = await members('messages', 'responses');
  all[0].server.play([{ text: 'first' }]);
  const reply = await chainOf(all).invoke(ask('Hi'));
  expect(reply).toMatchObject({ provider: 'anthropic', text: 'first' });
  expect(all[1]?.server.requests).toHaveLength(0);
});

test('over real HTTP the next model answers after the failures of those before it', async () => {
  const all = await members('messages', 'chat', 'responses');
  all[0].server.play([{ fault: 'rate-limited' }, { fault: 'silent-mid-answer' }]);
  all[1]?.server.play([{ fault: 'key-invalid' }, { fault: 'server-error' }]);
  all[2]?.server.play([{ text: 'third' }, { text: 'third, in a stream' }]);
  const chain = chainOf(all);
  expect(await chain.invoke(ask('Hi'))).toMatchObject({ provider: 'openai', text: 'third' });
  all[0].server.play([{ fault: 'overloaded' }]);
  const chunks = await collect(chain.invokeStreaming(ask('Hi')));
  expect(endOf(chunks)).toMatchObject({ provider: 'openai', text: 'third, in a stream' });
});

const GO_ON: readonly ModelFailureCode[] = [
  'MODEL_KEY_INVALID',
  'MODEL_UNSUPPORTED',
  'MODEL_QUOTA_EXHAUSTED',
  'MODEL_RATE_LIMITED',
  'MODEL_OVERLOADED',
  'MODEL_PROVIDER_FAILED',
  'MODEL_UNREACHABLE',
  'MODEL_TIMEOUT',
  'MODEL_STREAM_SILENT',
  'MODEL_CONTEXT_TOO_LONG',
  'MODEL_ANSWER_INVALID',
  'MODEL_ANSWER_CUT',
  'MODEL_ANSWER_TOO_LARGE',
];
const END = (Object.keys(FAILURES) as ModelFailureCode[]).filter(
  (code) => code.startsWith('MODEL_') && !GO_ON.includes(code),
);

test.each(GO_ON)('%s leads to the next model', async (code) => {
  const chain = (): ModelProvider => fallbackProvider([failing(code), scriptedModel({ text: 'next' })]);
  expect((await chain().invoke(ask('Hi'))).text).toBe('next');
  expect(endOf(await collect(chain().invokeStreaming(ask('Hi'))))?.text).toBe('next');
});

test.each(END)('%s ends the chain, whatever came before', async (code) => {
  const next = scriptedModel({ text: 'next' });
  const chain = fallbackProvider([failing('MODEL_RATE_LIMITED', 900), failing(code), next]);
  const failure = await failureOf(chain.invoke(ask('Hi')));
  expect(failure).toMatchObject({ code, retryAfterMs: undefined });
  expect(failure.message).toBe(
    `failing (${code}): as told; tried too: failing (MODEL_RATE_LIMITED): as told`,
  );
  expect(next.requests).toHaveLength(0);
});

test.each<[string, [ModelFailureCode, number?][], ModelFailureCode, number | undefined]>([
  ['the first that may help', [['MODEL_KEY_INVALID'], ['MODEL_OVERLOADED']], 'MODEL_OVERLOADED', undefined],
  ['the first of all', [['MODEL_KEY_INVALID'], ['MODEL_UNSUPPORTED']], 'MODEL_KEY_INVALID', undefined],
  [
    'the shortest wait',
    [
      ['MODEL_RATE_LIMITED', 7_000],
      ['MODEL_OVERLOADED', 3_000],
    ],
    'MODEL_RATE_LIMITED',
    3_000,
  ],
  [
    'no wait where one needs none',
    [['MODEL_RATE_LIMITED', 7_000], ['MODEL_UNREACHABLE']],
    'MODEL_RATE_LIMITED',
    undefined,
  ],
])('where every model failed, what surfaces is %s', async (_title, codes, code, retryAfterMs) => {
  const [first, ...others] = codes.map((given) => failing(...given));
  if (first === undefined) throw new Error('a chain has a first member');
  const failure = await failureOf(fallbackProvider([first, ...others]).invoke(ask('Hi')));
  expect(failure).toMatchObject({ code, retryAfterMs });
  for (const [named] of codes) expect(failure.message).toContain(`failing (${named})`);
});

test('a stream that has begun is not begun again by another model', async () => {
  const all = await members('messages', 'responses');
  all[0].server.play([{ fault: 'error-mid-stream' }]);
  all[1]?.server.play([{ text: 'second' }]);
  const chunks: ModelChunk[] = [];
  const read = async (): Promise<void> => {
    for await (const chunk of chainOf(all).invokeStreaming(ask('Hi'))) chunks.push(chunk);
  };
  expect(await failureOf(read())).toMatchObject({ code: 'MODEL_OVERLOADED' });
  expect(chunks.length).toBeGreaterThan(0);
  expect(all[1]?.server.requests).toHaveLength(0);
});

test('a cancelled call is cancelled, and no other model is called', async () => {
  const all = await members('messages', 'responses');
  all[0].server.play([{ fault: 'silent-hang' }]);
  const controller = new AbortController();
  const reason = new Error('cancelled by the caller');
  const call = chainOf(all).invoke(ask('Hi'), { signal: controller.signal });
  setTimeout(() => controller.abort(reason), 30);
  await expect(call).rejects.toBe(reason);
  expect(all[1]?.server.requests).toHaveLength(0);
});

test('a mistake in the code of a provider is not taken for a failure of its model', async () => {
  const mistake = new TypeError('undefined is not a function');
  const next = scriptedModel({ text: 'next' });
  await expect(fallbackProvider([scriptedModel(mistake), next]).invoke(ask('Hi'))).rejects.toBe(mistake);
});

test('a wrapped chain shows every call of it, the failed ones too', async () => {
  const seen: string[] = [];
  const wrap = (inner: ModelProvider): ModelProvider => ({
    ...inner,
    async invoke(request, options?: CallOptions): Promise<ModelReply> {
      seen.push(inner.model);
      return inner.invoke(request, options);
    },
  });
  const chain = fallbackProvider([failing('MODEL_OVERLOADED'), scriptedModel({ text: 'next' })]);
  expect((await wrapEach(chain, wrap).invoke(ask('Hi'))).text).toBe('next');
  expect((await wrapEach(scriptedModel({ text: 'alone' }), wrap).invoke(ask('Hi'))).text).toBe('alone');
  expect(seen).toEqual(['MODEL_OVERLOADED', 'script-1', 'script-1']);
});

test('counting and checking go on as well', async () => {
  const unable: ModelProvider = {
    ...failing('MODEL_UNREACHABLE'),
    countTokens: () =>
      Promise.reject(new ModelError('MODEL_UNREACHABLE', 'gone', { provider: 'a', model: 'b' })),
    check: () => Promise.reject(new ModelError('MODEL_UNREACHABLE', 'gone', { provider: 'a', model: 'b' })),
  };
  const chain = fallbackProvider([unable, scriptedModel()]);
  expect(await chain.countTokens(ask('Hi'))).toBe(1);
  await expect(chain.check?.()).resolves.toBeUndefined();
  await expect(fallbackProvider([unable]).check?.()).rejects.toMatchObject({ code: 'MODEL_UNREACHABLE' });
});
