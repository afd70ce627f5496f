import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { z } from 'zod';
import type { ModelRequest } from '../../src/llm/port';
import { invokeStructured } from '../../src/llm/structured';
import { AppError } from '../../src/protocol/failures';
import { FAULT_NAMES, type FaultName } from '../support/provider-server/faults';
import { WIRES, type WireName } from '../support/provider-server/script';
import { startProviderServer, type ProviderServer } from '../support/provider-server/server';
import { collect } from './conformance/samples';
import { OUTCOMES, type Ending } from './fault-outcomes';
import { providerFor, TEST_KEY } from './subjects';

const SECRET_PROMPT = 'The code of the vault is tango-4711, and nobody may ever read it in a log.';
const REQUEST: ModelRequest = {
  system: SECRET_PROMPT,
  messages: [{ role: 'user', text: `Again: ${SECRET_PROMPT}` }],
};
const SHAPE = { name: 'person', type: z.object({ name: z.string() }) };
// Only these speak of a shape; in the others it would turn a text into a failure of its own.
const SHAPED: readonly FaultName[] = ['schema-invalid', 'not-json-answer', 'length-limit'];
// Only what must run into a bound gets a short one, so that a busy machine changes no outcome.
const limitsOf = (fault: FaultName, streaming: boolean): { timeoutMs: number; idleTimeoutMs: number } => {
  const silent = fault === 'silent-mid-answer' && streaming;
  const timed = ['silent-hang', 'silent-mid-answer', 'slow-drip'].includes(fault) && !silent;
  return { timeoutMs: timed ? 300 : 20_000, idleTimeoutMs: silent ? 200 : 5_000 };
};

let server: ProviderServer;
beforeAll(async () => {
  server = await startProviderServer();
});
afterAll(() => server.close());

async function endingOf(call: Promise<unknown>): Promise<{ ending: Ending; error: AppError | undefined }> {
  try {
    await call;
    return { ending: 'reply', error: undefined };
  } catch (error) {
    if (!AppError.is(error)) throw error;
    return { ending: error.code, error };
  }
}

function ask(wire: WireName, fault: FaultName, streaming: boolean): Promise<unknown> {
  const provider = providerFor(wire, server);
  const limits = limitsOf(fault, streaming);
  const shaped = SHAPED.includes(fault);
  if (streaming)
    return collect(provider.invokeStreaming(shaped ? { ...REQUEST, schema: SHAPE } : REQUEST, limits));
  if (!shaped) return provider.invoke(REQUEST, limits);
  return invokeStructured(provider, { ...REQUEST, schema: SHAPE }, { ...limits, repairs: 0 });
}

describe.each(WIRES)('over %s', (wire) => {
  describe.each(['invoke', 'stream'] as const)('%s', (way) => {
    test.each(FAULT_NAMES)('%s ends as documented, after one attempt', async (fault) => {
      server.play((_request, index) => (index === 0 ? { fault } : { text: 'one more request was made' }));
      const started = Date.now();
      const { ending, error } = await endingOf(ask(wire, fault, way === 'stream'));
      expect(ending).toBe(OUTCOMES[fault][way]);
      // A refused stream may be asked about once: is it the request, or that its usage is to be counted?
      const asked = wire === 'chat' && way === 'stream' && ending === 'MODEL_REQUEST_INVALID' ? 2 : 0;
      expect(server.requests.length).toBeLessThanOrEqual(1 + asked);
      expect(Date.now() - started).toBeLessThan(limitsOf(fault, way === 'stream').timeoutMs + 1_000);
      if (error !== undefined) {
        expectReadable(error);
        expectRetryAfter(error, OUTCOMES[fault].retryAfterMs);
      }
    });
  });

  test('a server that is not there is unreachable', async () => {
    const gone = await startProviderServer();
    await gone.close();
    const { ending, error } = await endingOf(providerFor(wire, gone).invoke(REQUEST));
    expect(ending).toBe('MODEL_UNREACHABLE');
    expect(error?.message).toContain('ECONNREFUSED');
    if (error !== undefined) expectReadable(error);
  });

  test('an injected fetch that ignores its signal cannot hold a call beyond its bound', async () => {
    const stuck: typeof fetch = () => new Promise(() => undefined);
    const provider = providerFor(wire, server, { fetch: stuck });
    const { ending } = await endingOf(provider.invoke(REQUEST, { timeoutMs: 100 }));
    expect(ending).toBe('MODEL_TIMEOUT');
  });

  test('a slow reader of a stream is not taken for a silent provider', async () => {
    server.play([{ text: 'One. Two. Three. Four. Five. Six.' }]);
    let text = '';
    for await (const chunk of providerFor(wire, server).invokeStreaming(REQUEST, { idleTimeoutMs: 60 })) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      if (chunk.type === 'text') text += chunk.text;
    }
    expect(text).toBe('One. Two. Three. Four. Five. Six.');
  });

  test('a refusal and a cut answer still tell what they cost', async () => {
    const usage = { input: 31, output: 12 };
    server.play([
      { text: 'no', finish: 'refusal', usage },
      { text: '{"na', finish: 'length', usage },
    ]);
    for (const code of ['MODEL_REFUSED', 'MODEL_ANSWER_TRUNCATED']) {
      const { ending, error } = await endingOf(
        providerFor(wire, server).invoke({ ...REQUEST, schema: SHAPE }),
      );
      expect(ending).toBe(code);
      expect(error).toMatchObject({ usage: { inputTokens: 31, outputTokens: 12 } });
    }
  });
});

function expectReadable(error: AppError): void {
  expect(error.message).not.toMatch(/[\n\r<]/);
  expect(error.message.length).toBeLessThan(400);
  // What logs, Temporal and JSON make of an error: none may hold the key or the prompt.
  for (const written of [
    error.message,
    error.stack ?? '',
    JSON.stringify(error),
    inspect(error, { depth: 10 }),
  ]) {
    expect(written).not.toContain(TEST_KEY);
    expect(written).not.toContain('tango-4711');
    expect(written).not.toContain('doctype');
  }
  expect(error.cause).toBeUndefined();
}

function expectRetryAfter({ retryAfterMs }: AppError, range: readonly [number, number] | undefined): void {
  if (range === undefined) {
    expect(retryAfterMs).toBeUndefined();
    return;
  }
  expect(retryAfterMs).toBeGreaterThanOrEqual(range[0]);
  expect(retryAfterMs).toBeLessThanOrEqual(range[1]);
}

test('docs/models.md states the outcome of every fault', () => {
  const rows = readFileSync(join(__dirname, '../../docs/models.md'), 'utf8')
    .split('\n')
    .map((line) => line.split('|').map((cell) => cell.trim().replaceAll('`', '')))
    .filter((cells) => cells.length >= 5);
  const documented = Object.fromEntries(rows.map(([, fault, invoke, stream]) => [fault, { invoke, stream }]));
  for (const fault of FAULT_NAMES) {
    const { invoke, stream } = OUTCOMES[fault];
    expect({ fault, ...documented[fault] }).toEqual({ fault, invoke, stream });
  }
});
