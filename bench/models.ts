import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import type { ModelProvider } from '../src/llm/port';
import { anthropicProvider } from '../src/llm/providers/anthropic';
import { openAiProvider } from '../src/llm/providers/openai';
import { openAiCompatibleProvider } from '../src/llm/providers/openai-compatible';
import { type Benchmark, type Figure, figure, median, percentile } from './figures';

const WARM_UP = 300;
const ROUNDS = 2_000;
const NAME = 'models.port_overhead_ms';
const TARGET = 'ours - reference < 1';
const MODEL = 'bench-1';
const QUESTION = 'How many gates has the garden?';
const ANSWER = 'The garden has nine gates.';
const COMMON = { apiKey: 'bench', model: MODEL };

/** A call through the port and the same call of the SDK alone, answered by the same fetch. */
interface Pair {
  readonly provider: ModelProvider;
  readonly bare: () => Promise<unknown>;
}

/** What the port adds to a call of the SDK, without a network: both get a fetch that answers at once. */
export const models: Benchmark = {
  name: 'models',
  async run(log) {
    const figures: Figure[] = [];
    for (const { provider, bare } of [responses(), chat(), messages()])
      figures.push(await measure(provider, bare, log));
    const [worst] = figures.toSorted((a, b) => b.ours - b.reference - (a.ours - a.reference));
    return worst === undefined ? [] : [{ ...worst, name: NAME }, ...figures];
  },
};

/** Interleaved, so that whatever else the machine does falls on both alike. */
async function measure(
  provider: ModelProvider,
  bare: () => Promise<unknown>,
  log: (line: string) => void,
): Promise<Figure> {
  const ours: number[] = [];
  const reference: number[] = [];
  const invoke = (): Promise<unknown> => provider.invoke({ messages: [{ role: 'user', text: QUESTION }] });
  for (let round = 0; round < WARM_UP + ROUNDS; round += 1) {
    const oursMs = await timed(invoke);
    const bareMs = await timed(bare);
    if (round < WARM_UP) continue;
    ours.push(oursMs);
    reference.push(bareMs);
  }
  const added = median(ours) - median(reference);
  log(
    `  ${provider.name.padEnd(18)} ours ${median(ours).toFixed(3)} ms, SDK ${median(reference).toFixed(3)} ms, added ${added.toFixed(3)} ms (p99 ours ${percentile(ours, 99).toFixed(2)}, SDK ${percentile(reference, 99).toFixed(2)})`,
  );
  return figure({
    name: `${NAME}.${provider.name}`,
    ours: median(ours),
    reference: median(reference),
    unit: 'ms',
    target: TARGET,
  });
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const since = performance.now();
  await work();
  return performance.now() - since;
}

function answering(body: object): typeof fetch {
  const text = JSON.stringify(body);
  const init = { status: 200, headers: { 'content-type': 'application/json' } };
  return () => Promise.resolve(new Response(text, init));
}

function responses(): Pair {
  const message = {
    type: 'message',
    id: 'msg_1',
    role: 'assistant',
    status: 'completed',
    content: [{ type: 'output_text', text: ANSWER, annotations: [] }],
  };
  const usage = { input_tokens: 11, output_tokens: 7, total_tokens: 18 };
  const fetch = answering({ id: 'resp_1', status: 'completed', model: MODEL, output: [message], usage });
  const client = new OpenAI({ apiKey: 'bench', fetch, maxRetries: 0 });
  const body = { model: MODEL, input: [{ role: 'user' as const, content: QUESTION }], store: false };
  return { provider: openAiProvider({ ...COMMON, fetch }), bare: async () => client.responses.create(body) };
}

function chat(): Pair {
  const choice = { index: 0, message: { role: 'assistant', content: ANSWER }, finish_reason: 'stop' };
  const usage = { prompt_tokens: 11, completion_tokens: 7, total_tokens: 18 };
  const fetch = answering({ id: 'chat_1', model: MODEL, choices: [choice], usage });
  const baseURL = 'http://bench.invalid/v1';
  const client = new OpenAI({ apiKey: 'bench', baseURL, fetch, maxRetries: 0 });
  const body = { model: MODEL, messages: [{ role: 'user' as const, content: QUESTION }] };
  return {
    provider: openAiCompatibleProvider({ ...COMMON, baseUrl: baseURL, fetch }),
    bare: async () => client.chat.completions.create(body),
  };
}

function messages(): Pair {
  const content = [{ type: 'text', text: ANSWER }];
  const usage = { input_tokens: 11, output_tokens: 7 };
  const about = { id: 'msg_1', type: 'message', role: 'assistant', model: MODEL };
  const fetch = answering({ ...about, content, stop_reason: 'end_turn', usage });
  const client = new Anthropic({ apiKey: 'bench', fetch, maxRetries: 0 });
  const body = { model: MODEL, max_tokens: 1000, messages: [{ role: 'user' as const, content: QUESTION }] };
  return {
    provider: anthropicProvider({ ...COMMON, fetch }),
    bare: async () => client.messages.create(body),
  };
}
