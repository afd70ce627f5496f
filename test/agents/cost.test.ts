import { invokeStructured } from '../../src/llm/structured';
import { openAiCompatibleProvider } from '../../src/llm/providers/openai-compatible';
import { NO_USAGE } from '../../src/core/usage';
import { usageLine } from '../../src/cli/usage-line';
import { AppError } from '../../src/protocol/failures';
import { z } from 'zod';
import { anAgent } from '../support/agents';
import type { Script } from '../support/provider-server/script';
import { startProviderServer, type ProviderServer } from '../support/provider-server/server';
import { startTeam, type Team } from '../support/team';

const SHAPE = { name: 'person', type: z.object({ name: z.string() }) };
const messages = [{ role: 'user', text: 'Who is it?' }] as const;
const usage = { input: 1_000, output: 100 };
/** Micro-dollars of one such call. */
const COST = 2_000;

let provider: ProviderServer;
let team: Team;
beforeAll(async () => {
  provider = await startProviderServer();
  const model = openAiCompatibleProvider({ apiKey: 'k', baseUrl: provider.openAiUrl, model: 'priced' });
  /** Fails with what its model failed with. */
  const asker = anAgent('asker', async (_task, context) => {
    const { value } = await invokeStructured(context.model, { messages, schema: SHAPE });
    return value;
  });
  /** Goes on after failures, by streams. */
  const patient = anAgent('patient', async (_task, context) => {
    for (let call = 1; ; call += 1) {
      try {
        for await (const chunk of context.model.invokeStreaming({ messages }))
          if (chunk.type === 'end') return { call, text: chunk.reply.text };
      } catch (error) {
        if (!AppError.is(error)) throw error;
      }
    }
  });
  const models = { priced: { input: 1, output: 10 } };
  team = await startTeam([asker, patient], model, { prices: [{ date: '2026-11-01', models }] });
});
afterAll(async () => {
  await team[Symbol.asyncDispose]();
  await provider.close();
});

async function spent(script: Script, agents: readonly string[], maxAttempts = 1) {
  provider.play(script);
  const retry = { maxAttempts, initialIntervalMs: 20 };
  const steps = agents.map((agent) => ({ type: 'agent' as const, agent, retry }));
  const result = await team.client.run({ task: 'Ask', plan: { type: 'sequence', steps } });
  return { result, calls: await team.client.modelCalls(result.runId) };
}

test.each<[string, Script, number, string]>([
  ['a refusal', [{ text: 'no', finish: 'refusal', usage }], 1, 'MODEL_REFUSED'],
  ['an answer that is cut', [{ text: '{"na', finish: 'length', usage }], 1, 'MODEL_ANSWER_TRUNCATED'],
  [
    'an answer that two repairs do not mend',
    Array.from({ length: 3 }, () => ({ text: '{"unexpected": true}', usage })),
    3,
    'MODEL_ANSWER_INVALID',
  ],
])('%s costs what the provider says, in its agent and in its run', async (_name, script, count, code) => {
  const { result, calls } = await spent(script, ['asker']);
  expect(result.failure?.code).toBe(code);
  expect(calls).toHaveLength(count);
  for (const call of calls)
    expect(call).toMatchObject({
      inputTokens: 1_000,
      outputTokens: 100,
      costMicros: COST,
      pricesOf: '2026-11-01',
    });
  const sum = {
    modelCalls: count,
    inputTokens: count * 1_000,
    outputTokens: count * 100,
    costMicros: count * COST,
  };
  expect(result.usage).toMatchObject(sum);
  expect(result.agents[0]?.usage).toMatchObject(sum);
});

test('a failed stream counts with what was reported of it, failed attempts and other agents with it', async () => {
  const good = { text: '{"name": "Ada"}', usage };
  const { result, calls } = await spent(
    [{ text: 'no', finish: 'refusal', usage }, good, { text: '{"n', finish: 'length', usage }, good],
    ['patient', 'asker'],
    2,
  );
  expect(result).toMatchObject({ status: 'completed', output: { name: 'Ada' } });
  expect(calls.map(({ agent, attempt, failure }) => [agent, attempt, failure?.code])).toEqual([
    ['patient', 1, 'MODEL_REFUSED'],
    ['patient', 1, undefined],
    ['asker', 1, 'MODEL_ANSWER_TRUNCATED'],
    ['asker', 2, undefined],
  ]);
  expect(result.usage).toMatchObject({ modelCalls: 4, inputTokens: 4_000, costMicros: 4 * COST });
  expect(usageLine(result.usage)).toBe('4 model calls, 4000 in, 400 out tokens, cost $0.0080');
});

test('what no provider reported is unknown, and not nothing', async () => {
  const { result, calls } = await spent([{ fault: 'reset-mid-answer' }, { text: 'Ada', usage }], ['patient']);
  expect(calls.map(({ costMicros }) => costMicros)).toEqual([null, COST]);
  expect(result.usage).toMatchObject({ modelCalls: 2, inputTokens: null, costMicros: null });
  expect(usageLine(result.usage)).toBe('2 model calls, tokens unknown, cost unknown');
  expect(usageLine(NO_USAGE)).toBe('no model call');
});
