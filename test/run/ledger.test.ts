import { setTimeout as sleep } from 'node:timers/promises';
import type { AgentContext, Reconciled, ToolUse } from '../../src/agents/base-agent';
import { ModelError } from '../../src/llm/model-error';
import type { ModelProvider } from '../../src/llm/port';
import { createApp } from '../../src/api/app';
import { createLogger } from '../../src/telemetry/log';
import { AppError } from '../../src/protocol/failures';
import type { Json } from '../../src/protocol/json';
import { fallbackProvider } from '../../src/llm/fallback';
import { scriptedModel } from '../support/scripted-model';
import { anAgent } from '../support/agents';
import { startTeam, type Team } from '../support/team';

/** What an agent does in each of its attempts; the run's task names it. */
type Scene = (context: AgentContext, run: { readonly text: string }) => Promise<Json>;

/** What tools did outside, by the task of their run: the effects that must not be doubled. */
const effects: Record<string, string[]> = {};
const scenes: Record<string, Scene> = {};

const usage = { inputTokens: 100, outputTokens: 10, cachedInputTokens: 40, reasoningTokens: 5 };
const identity = { provider: 'scripted', model: 'script-1' };
const failing = new ModelError('MODEL_OVERLOADED', 'busy', identity);

/** What the model does next, one step a call. */
const script: ('answers' | 'fails' | 'is silent')[] = [];
const model: ModelProvider = {
  name: identity.provider,
  model: identity.model,
  invoke: async () => {
    const step = script.shift();
    if (step === 'fails') throw failing;
    if (step === 'is silent') return new Promise(() => undefined);
    return { ...identity, text: 'Hello', toolCalls: [], finishReason: 'stop', usage };
  },
  invokeStreaming: () => {
    throw failing;
  },
  countTokens: async () => 1,
};

let team: Team;
beforeAll(async () => {
  const agent = anAgent('actor', (task, context) => {
    const scene = scenes[task.text];
    if (scene === undefined) throw new Error(`There is no scene ${task.text}`);
    return scene(context, task);
  });
  const models = { 'script-1': { input: 1, output: 10 } };
  team = await startTeam([agent], model, { prices: [{ date: '2026-10-24', models }] });
});
afterAll(() => team[Symbol.asyncDispose]());

/** Runs a scene to its end, with quick retries. */
async function play(name: string, scene: Scene, initialIntervalMs = 20) {
  scenes[name] = scene;
  effects[name] = [];
  const plan = { type: 'agent', agent: 'actor', retry: { maxAttempts: 3, initialIntervalMs } } as const;
  return team.client.start({ task: name, plan });
}

async function played(name: string, scene: Scene) {
  const { runId } = await play(name, scene);
  const result = await team.client.result(runId);
  return { runId, result, calls: await team.client.toolCalls(runId), effects: effects[name] ?? [] };
}

function use(change: Partial<ToolUse> = {}): ToolUse {
  return { name: 'mail.send', arguments: { to: 'you' }, step: '1.1', sideEffects: 'dangerous', ...change };
}

/** Sends the mail: the effect that an outside counter sees. */
async function send({ text }: { readonly text: string }, key: string): Promise<Json> {
  effects[text]?.push(key);
  return { sent: effects[text]?.length ?? 0 };
}

describe('a tool call', () => {
  test.each(['none', 'idempotent', 'dangerous'] as const)(
    'with side effects "%s" is made once: an attempt that fails after it leaves the next one its result',
    async (sideEffects) => {
      const {
        result,
        calls,
        effects: done,
      } = await played(`known ${sideEffects}`, async (context, task) => {
        const got = await context.tool(use({ sideEffects }), ({ idempotencyKey }) =>
          send(task, idempotencyKey),
        );
        if (context.attempt === 1) throw new Error('after the tool');
        return got;
      });
      expect(result).toMatchObject({ status: 'completed', output: { sent: 1 } });
      expect(done).toHaveLength(1);
      expect(calls).toMatchObject([
        { tool: 'mail.send', step: '1.1', sideEffects, status: 'done', attempt: 1, result: { sent: 1 } },
      ]);
      expect(calls[0]).toMatchObject({
        key: done[0],
        arguments: { to: 'you' },
        address: '0',
        agent: 'actor',
      });
    },
  );

  test('other arguments or another step are another call', async () => {
    const { result, calls } = await played('others', async (context, task) => {
      const uses = [use(), use({ step: '1.2' }), use({ arguments: { to: 'me' } }), use()];
      for (const each of uses) await context.tool(each, ({ idempotencyKey }) => send(task, idempotencyKey));
      return null;
    });
    expect(result.status).toBe('completed');
    expect(calls).toHaveLength(3);
  });

  test('the same call made twice at once is made once', async () => {
    const { result, effects: done } = await played('twice', async (context, task) => {
      const call = () => context.tool(use(), ({ idempotencyKey }) => send(task, idempotencyKey));
      return await Promise.all([call(), call()]);
    });
    expect(result.output).toEqual([{ sent: 1 }, { sent: 1 }]);
    expect(done).toHaveLength(1);
  });

  test('an idempotent one whose outcome was lost is made again under the same key', async () => {
    const {
      result,
      calls,
      effects: done,
    } = await played('idempotent lost', (context, task) =>
      context.tool(use({ sideEffects: 'idempotent' }), async ({ idempotencyKey }) => {
        const sent = await send(task, idempotencyKey);
        if (context.attempt === 1) throw new Error('connection reset');
        return sent;
      }),
    );
    expect(result).toMatchObject({ status: 'completed', output: { sent: 2 } });
    expect(new Set(done).size).toBe(1);
    expect(calls).toMatchObject([{ status: 'done', attempt: 2 }]);
  });

  /** A dangerous call whose first execution has its effect and loses its answer. */
  const lost = (reconciled?: Reconciled): Scene => {
    const reconcile = reconciled && (() => Promise.resolve(reconciled));
    return (context, task) =>
      context.tool(use(reconcile === undefined ? {} : { reconcile }), async ({ idempotencyKey }) => {
        const sent = await send(task, idempotencyKey);
        if (context.attempt === 1) throw new Error('connection reset');
        return sent;
      });
  };

  test('a dangerous one whose outcome was lost is not repeated where the world says that it happened', async () => {
    const {
      result,
      calls,
      effects: done,
    } = await played('happened', lost({ happened: true, result: { found: 'in the outbox' } }));
    expect(result).toMatchObject({ status: 'completed', output: { found: 'in the outbox' } });
    expect(done).toHaveLength(1);
    expect(calls).toMatchObject([{ status: 'done', result: { found: 'in the outbox' } }]);
  });

  test('... is made where the world says that it did not happen', async () => {
    const { result, effects: done } = await played('not happened', lost({ happened: false }));
    expect(result).toMatchObject({ status: 'completed', output: { sent: 2 } });
    expect(done).toHaveLength(2);
  });

  test.each([
    ['nobody can be asked', undefined],
    ['the world does not know', 'unknown'],
  ] as const)('... fails the agent where %s, and says what to do', async (name, reconciled) => {
    const { runId, result, calls, effects: done } = await played(`unknown: ${name}`, lost(reconciled));
    const [call] = calls;
    expect(result).toMatchObject({ status: 'failed', failure: { code: 'TOOL_OUTCOME_UNKNOWN' } });
    expect(result.failure?.message).toMatch(/^Tool mail\.send \(step 1\.1\) .*resolveToolCall/);
    expect(result.failure?.message).toContain(call?.key);
    expect(result.agents[0]?.attempts).toBe(2);
    expect(done).toHaveLength(1);
    expect(call).toMatchObject({ status: 'unknown', endedAt: null });
    const types: string[] = [];
    for await (const { type } of team.client.events(runId)) types.push(type);
    expect(types).toContain('tool.outcome-unknown');
    await team.client.resolveToolCall(runId, call?.key ?? '', { failed: 'it never left' }, 'ops');
    expect(await team.client.toolCalls(runId)).toMatchObject([
      { status: 'failed', failure: { code: 'TOOL_FAILED', message: 'it never left' }, resolvedBy: 'ops' },
    ]);
  });

  test('what an operator says between two attempts is what the next one is told', async () => {
    const { runId } = await play('resolved', lost(), 3_000);
    for await (const { type } of team.client.events(runId)) if (type === 'agent.attempt-failed') break;
    const [call] = await team.client.toolCalls(runId);
    expect(call).toMatchObject({ status: 'open' });
    await team.client.resolveToolCall(runId, call?.key ?? '', { result: { seen: 'by eye' } }, 'ops');
    expect(await team.client.result(runId)).toMatchObject({
      status: 'completed',
      output: { seen: 'by eye' },
    });
    expect(effects['resolved']).toHaveLength(1);
    await expect(
      team.client.resolveToolCall(runId, call?.key ?? '', { result: 1 }, 'ops'),
    ).rejects.toMatchObject({
      code: 'IDEMPOTENCY_CONFLICT',
      message: 'This call has an outcome already: it succeeded; toolCalls shows it',
    });
  });

  test('a definite failure is an outcome: the next attempt is told the same', async () => {
    const told: string[] = [];
    const {
      result,
      calls,
      effects: done,
    } = await played('definite', async (context, task) => {
      const failure = await context
        .tool(use(), async ({ idempotencyKey }) => {
          await send(task, idempotencyKey);
          throw new AppError('TOOL_FAILED', 'the address does not exist');
        })
        .catch((error: unknown) => error);
      told.push(AppError.is(failure) ? `${failure.code} ${failure.message}` : String(failure));
      if (context.attempt === 1) throw new Error('later');
      return null;
    });
    expect(result.status).toBe('completed');
    expect(done).toHaveLength(1);
    expect(told).toEqual(Array.from({ length: 2 }, () => 'TOOL_FAILED the address does not exist'));
    expect(calls).toMatchObject([{ status: 'failed', failure: { code: 'TOOL_FAILED' } }]);
  });

  test('one that takes too long fails with TOOL_TIMEOUT and is stopped, also where it does not listen', async () => {
    let aborted = 0;
    const { result, calls } = await played('slow', (context) =>
      context.tool(use({ sideEffects: 'idempotent', timeoutMs: 50 }), ({ signal }) => {
        signal.addEventListener('abort', () => (aborted += 1));
        return new Promise<Json>(() => undefined);
      }),
    );
    expect(result.failure).toEqual({
      code: 'TOOL_TIMEOUT',
      message: 'Tool mail.send did not finish within its limit of 50 ms',
    });
    expect([result.agents[0]?.attempts, aborted]).toEqual([3, 3]);
    expect(calls).toMatchObject([{ status: 'open', attempt: 3 }]);
  });

  test('a result over its limit is an outcome that fails the agent at once', async () => {
    const { result, calls } = await played('large', (context) =>
      context.tool(use({ resultBytes: 1_000 }), async () => 'x'.repeat(1_000)),
    );
    expect(result.failure).toEqual({
      code: 'TOOL_RESULT_TOO_LARGE',
      message: 'Tool mail.send returned 1002 bytes; its limit is 1000 (resultBytes)',
    });
    expect(result.agents[0]?.attempts).toBe(1);
    expect(calls).toMatchObject([{ status: 'failed', failure: { code: 'TOOL_RESULT_TOO_LARGE' } }]);
  });

  test('a result that rows cannot hold as it is comes back the same in every attempt', async () => {
    const odd = { text: 'null \u0000 and half \ud800', big: 'y'.repeat(20_000) };
    const got: Json[] = [];
    const { result } = await played('odd', async (context) => {
      got.push(await context.tool(use({ arguments: odd }), async () => odd));
      if (context.attempt === 1) throw new Error('again');
      return null;
    });
    expect(result.status).toBe('completed');
    expect(got).toEqual(Array.from({ length: 2 }, () => ({ ...odd, text: 'null \ufffd and half \ufffd' })));
  });

  test('an attempt that was overtaken can make no call and write no journal', async () => {
    let first: AgentContext | undefined;
    const refused: string[] = [];
    const { result, effects: done } = await played('zombie', async (context, task) => {
      if (first === undefined) {
        first = context;
        throw new Error('dies, and comes back');
      }
      const attempts = [
        first.tool(use(), ({ idempotencyKey }) => send(task, idempotencyKey)),
        first.tool(use({ sideEffects: 'none' }), async () => 'read'),
        first.journal.append('from the grave'),
      ];
      for (const attempt of attempts)
        refused.push(
          await attempt.then(
            () => 'done',
            (error: unknown) => (AppError.is(error) ? error.code : String(error)),
          ),
        );
      return await context.journal.read();
    });
    expect(result).toMatchObject({ status: 'completed', output: [] });
    expect(refused).toEqual(Array.from({ length: 3 }, () => 'ATTEMPT_FENCED'));
    expect(done).toEqual([]);
  });
});

describe('a journal', () => {
  test('a later attempt goes on where the earlier one ended; large entries are kept as blobs', async () => {
    const large = 'z'.repeat(50_000);
    const { runId, result } = await played('journal', async ({ journal, attempt }) => {
      const before = await journal.read();
      if (attempt === 1) {
        await Promise.all([journal.append({ turn: 1 }), journal.append({ turn: 2, large })]);
        throw new Error('in the third turn');
      }
      await journal.append({ turn: 3 });
      return { before, after: await journal.read() };
    });
    const earlier = [{ turn: 1 }, { turn: 2, large }];
    expect(result.output).toEqual({ before: earlier, after: [...earlier, { turn: 3 }] });
    const { rows } = await team.admin.query<{ bytes: number }>(
      `select pg_column_size(entry)::int as bytes from ensemble.journal_entries
         join ensemble.agent_runs on agent_runs.id = agent_run_id where run_id = $1`,
      [runId],
    );
    expect(rows).toHaveLength(3);
    for (const { bytes } of rows) expect(bytes).toBeLessThan(300);
  });
});

describe('a model call', () => {
  const request = { messages: [{ role: 'user', text: 'Say something' } as const] };

  test('is recorded with what it took and cost, a failed one too; failed attempts count in agent and run', async () => {
    script.push('answers', 'fails', 'answers');
    const { runId, result } = await played('costs', async (context) => {
      await context.model.invoke(request);
      return context.attempt;
    });
    expect(result.status).toBe('completed');
    const one = { ...usage, costMicros: 200 };
    expect(result.agents[0]?.usage).toEqual({ modelCalls: 1, ...one });
    expect(result.usage).toEqual({ modelCalls: 1, ...one });
    const [call] = await team.client.modelCalls(runId);
    expect(call).toMatchObject({
      ...one,
      provider: 'scripted',
      model: 'script-1',
      attempt: 1,
      firstTokenMs: null,
      pricesOf: '2026-10-24',
      failure: null,
      address: '0',
      agent: 'actor',
    });

    const second = await played('costs of failure', async (context) => {
      await context.model.invoke(request);
      return context.attempt;
    });
    expect(second.result).toMatchObject({ status: 'completed', output: 2 });
    const unknown = { inputTokens: null, outputTokens: null, cachedInputTokens: null, reasoningTokens: null };
    expect(await team.client.modelCalls(second.runId)).toMatchObject([
      { attempt: 1, ...unknown, costMicros: null, failure: { code: 'MODEL_OVERLOADED' } },
      { attempt: 2, ...one, failure: null },
    ]);
    const sum = { modelCalls: 2, ...unknown, costMicros: null };
    expect(second.result.agents[0]?.usage).toEqual(sum);
    expect(second.result.usage).toEqual(sum);
  });

  test('an attempt that dies after a call leaves its cost, and a run without a call cost nothing', async () => {
    script.push('answers', 'answers');
    const { result } = await played('twice paid', async (context) => {
      await context.model.invoke(request);
      if (context.attempt === 1) throw new Error('after the call');
      return null;
    });
    expect(result.usage).toMatchObject({ modelCalls: 2, inputTokens: 200, costMicros: 400 });
    expect(result.agents[0]?.usage).toEqual(result.usage);
    const quiet = await played('quiet', async () => null);
    expect(quiet.result.usage).toEqual({
      modelCalls: 0,
      inputTokens: 0,
      outputTokens: 0,
      cachedInputTokens: 0,
      reasoningTokens: 0,
      costMicros: 0,
    });
  });

  test('every model of a chain that was called is on record', async () => {
    script.push('fails');
    const chained = await startTeam(
      [
        anAgent('asks', (_, context) =>
          context.model.invoke(request).then(({ model: answered }) => answered),
        ),
      ],
      fallbackProvider([model, scriptedModel({ text: 'Hello', usage, model: 'script-2' })]),
    );
    try {
      const result = await chained.client.run({ task: 'Ask', plan: { type: 'agent', agent: 'asks' } });
      expect(result.output).toBe('script-2');
      expect(await chained.client.modelCalls(result.runId)).toMatchObject([
        { model: 'script-1', failure: { code: 'MODEL_OVERLOADED' }, inputTokens: null },
        { model: 'script-2', failure: null, inputTokens: 100, costMicros: null },
      ]);
      expect(result.usage).toMatchObject({ modelCalls: 2, inputTokens: null });
    } finally {
      await chained[Symbol.asyncDispose]();
    }
  });

  test('a call that is cut off by the agent’s time limit is on record before the run is over', async () => {
    script.push('is silent');
    scenes['cut'] = (context) => context.model.invoke(request).then(() => null);
    const step = { type: 'agent', agent: 'actor', timeoutMs: 300, retry: { maxAttempts: 1 } } as const;
    const result = await team.client.run({ task: 'cut', plan: step });
    expect(result.failure?.code).toBe('AGENT_TIMEOUT');
    expect(result.usage).toMatchObject({ modelCalls: 1, inputTokens: null, costMicros: null });
    expect(await team.client.modelCalls(result.runId)).toMatchObject([
      { failure: { code: 'AGENT_TIMEOUT' } },
    ]);
  });
});

test('over HTTP an operator sees the calls and says what became of one', async () => {
  const log = createLogger({ level: 'silent', format: 'json' });
  const app = createApp({ client: team.client, log, ready: () => team.client.ready() });
  const { runId } = await played('over http', (context) =>
    context.tool(use(), () => Promise.reject(new Error('connection reset'))),
  );
  const listed = await app.request(`/v1/runs/${runId}/tool-calls`);
  const { toolCalls } = (await listed.json()) as { toolCalls: { key: string; status: string }[] };
  expect(toolCalls).toMatchObject([{ status: 'unknown', tool: 'mail.send' }]);
  const resolve = (body: string) =>
    app.request(`/v1/runs/${runId}/tool-calls/${toolCalls[0]?.key}/resolve`, { method: 'POST', body });
  for (const body of ['no JSON', '[]', '{"by": "ops"}', '{"result": 1}']) {
    const refused = await resolve(body);
    expect([body, refused.status, refused.headers.get('content-type')]).toEqual([
      body,
      400,
      'application/problem+json',
    ]);
  }
  expect((await resolve('{"by": "ops", "result": {"sent": true}}')).status).toBe(200);
  expect((await resolve('{"by": "ops", "result": {"sent": true}}')).status).toBe(422);
  expect(await team.client.toolCalls(runId)).toMatchObject([{ status: 'done', resolvedBy: 'ops' }]);
});

describe('bad input is told what is wrong with it', () => {
  const key = 'a'.repeat(64);
  let runId = '';
  beforeAll(async () => {
    ({ runId } = await played('for bad input', async () => sleep(1, null)));
  });

  test.each([
    ['no run', () => team.client.toolCalls('nonsense'), 'RUN_UNKNOWN', /There is no run "nonsense"/],
    ['no run to price', () => team.client.modelCalls(crypto.randomUUID()), 'RUN_UNKNOWN', /There is no run/],
    [
      'no such call',
      () => team.client.resolveToolCall(runId, key, { result: 1 }, 'ops'),
      'INPUT_INVALID',
      /key "a+" is no tool call of run .*; toolCalls lists them/,
    ],
    [
      'both a result and a failure',
      () => team.client.resolveToolCall(runId, key, { result: 1, failed: 'x' } as { result: Json }, 'ops'),
      'INPUT_INVALID',
      /must be \{"result": .*\} .* or \{"failed": .*at most 1000 characters/,
    ],
    [
      'a result too large',
      () => team.client.resolveToolCall(runId, key, { result: 'x'.repeat(300_000) }, 'ops'),
      'INPUT_TOO_LARGE',
      /result has \d+ bytes; the limit is 262144/,
    ],
    [
      'a null character',
      () => team.client.resolveToolCall(runId, key, { failed: 'a\u0000b' }, 'ops'),
      'INPUT_INVALID',
      /holds a null character/,
    ],
    [
      'nobody',
      () => team.client.resolveToolCall(runId, key, { result: 1 }, ' '),
      'INPUT_INVALID',
      /by must name who says so, in 1 to 200/,
    ],
  ])('%s', async (_, call, code, message) => {
    await expect(call()).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  });
});
