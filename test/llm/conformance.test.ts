import { setTimeout as sleep } from 'node:timers/promises';
import { fallbackProvider } from '../../src/llm/fallback';
import { offlineProvider } from '../../src/llm/providers/offline';
import { startProviderServer, type ProviderServer } from '../support/provider-server/server';
import { WIRES, type WireName } from '../support/provider-server/script';
import { conformsToModelProvider, type ConformanceOptions, type Subject } from './conformance';
import { providerFor, TEST_KEY } from './subjects';

let server: ProviderServer;
beforeAll(async () => {
  server = await startProviderServer({ keys: [TEST_KEY] });
});
afterAll(() => server.close());

const subject = (wire: WireName): Subject => ({
  provider: providerFor(wire, server),
  play: (...steps) => server.play(steps),
  lastBody: () => server.requests.at(-1)?.body,
  async hungUp() {
    await sleep(100);
    return server.requests.at(-1)?.hungUp === true;
  },
});

const STATELESS: ConformanceOptions = {
  skip: [
    { reason: 'Chat Completions keep no record of a turn', cases: ['hands back its own state of a turn'] },
  ],
};

for (const wire of WIRES) {
  conformsToModelProvider(
    providerFor(wire, placeholder()).name,
    () => subject(wire),
    wire === 'chat' ? STATELESS : {},
  );
}

conformsToModelProvider('a chain whose first model is not there', () => ({
  ...subject('responses'),
  provider: fallbackProvider([
    providerFor('responses', placeholder()),
    providerFor('responses', server),
    offlineProvider(),
  ]),
}));

conformsToModelProvider(
  'offline',
  () => ({
    provider: offlineProvider(),
    play: () => undefined,
    lastBody: () => undefined,
    hungUp: () => Promise.resolve(true),
  }),
  {
    skip: [
      { reason: 'there is no network', cases: ['hangs up when its stream is left'] },
      { reason: 'it answers at once', cases: ['rejects with the reason when it is aborted during the call'] },
      {
        reason: 'it has no hidden reasoning',
        cases: ['streams reasoning apart from the text', 'hands back its own state of a turn'],
      },
      { reason: 'it sends nothing', cases: ['sends the system text, the limit and the tools'] },
      {
        reason: 'it chooses whole sentences and stops before the limit',
        cases: ['says when the output limit was reached'],
      },
    ],
  },
);

/** Addresses where nothing listens; the server starts only after the suites are declared. */
function placeholder(): ProviderServer {
  return { anthropicUrl: 'http://127.0.0.1:1', openAiUrl: 'http://127.0.0.1:1/v1' } as ProviderServer;
}
