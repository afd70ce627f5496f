import { openAiCompatibleProvider } from '../../src/llm/providers/openai-compatible';
import type { ModelRequest } from '../../src/llm/port';
import { anAgent } from '../support/agents';
import { until } from '../support/kills/until';
import { type ProviderServer, startProviderServer } from '../support/provider-server/server';
import { startTeam, type Team } from '../support/team';

const request: ModelRequest = { messages: [{ role: 'user', text: 'Say something' }] };
const agents = [
  anAgent('asks', async (_task, { model }) => (await model.invoke(request)).text),
  anAgent('listens', async (_task, { model }) => {
    for await (const chunk of model.invokeStreaming(request))
      if (chunk.type === 'end') return chunk.reply.text;
    return '';
  }),
];

let provider: ProviderServer;
let team: Team;
beforeAll(async () => {
  provider = await startProviderServer();
  const options = { baseUrl: provider.openAiUrl, apiKey: undefined, model: 'any', timeoutMs: 60_000 };
  team = await startTeam(agents, openAiCompatibleProvider(options));
});
afterAll(async () => {
  await team[Symbol.asyncDispose]();
  await provider.close();
});

describe.each([
  ['asks', 'silent-hang'],
  ['listens', 'silent-mid-answer'],
] as const)('an agent that %s a model which says nothing more', (agent, fault) => {
  beforeEach(() => provider.play(() => ({ fault })));
  const hungUp = () => provider.requests.map((asked) => asked.hungUp);

  test('is stopped with its run: the provider sees the connection closed', async () => {
    const { runId } = await team.client.start({ task: 'Ask', plan: { type: 'agent', agent } });
    await until(() => provider.requests.length === 1);
    expect(hungUp()).toEqual([false]);
    await team.client.cancel(runId);
    expect(await team.client.result(runId)).toMatchObject({
      status: 'cancelled',
      agents: [{ agent, status: 'cancelled' }],
    });
    // The next heartbeat brings the news to the agent, and it takes its call with it.
    await until(() => hungUp().every(Boolean), 10_000);
    expect(hungUp()).toEqual([true]);
  });

  test('is stopped at its time limit: so is the call', async () => {
    const step = { type: 'agent', agent, timeoutMs: 500, retry: { maxAttempts: 1 } } as const;
    expect(await team.client.run({ task: 'Ask', plan: step })).toMatchObject({
      status: 'failed',
      failure: { code: 'AGENT_TIMEOUT' },
    });
    await until(() => hungUp().every(Boolean), 10_000);
    expect(hungUp()).toEqual([true]);
  });
});
