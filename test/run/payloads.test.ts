import { z } from 'zod';
import { LIMITS } from '../../src/protocol/limits';
import type { Step } from '../../src/protocol/plan';
import { textOf } from '../../src/core/text';
import { anAgent } from '../support/agents';
import { historyOf } from '../support/kills/history';
import { startTeam, type Team } from '../support/team';

const MB = 1024 * 1024;
const SIZES_MB = [0.1, 1, 3, 10, 50] as const;
const SMALL_BYTES = 8_000;

const Size = z.object({ bytes: z.number() });
const sized = (options: unknown): string => 'x'.repeat(Size.parse(options).bytes);
const input = Size;
const limits = { outputBytes: LIMITS.agentOutputBytes, timeoutMs: 60_000 };

const agents = [
  anAgent('quick', () => 'quick'),
  anAgent('says', ({ options }) => sized(options), { input, limits }),
  anAgent('says-by-default', ({ options }) => sized(options), { input }),
  anAgent(
    'uses',
    async ({ options }, context) => {
      const use = { name: 'look-up', arguments: {}, step: '1.1', sideEffects: 'none' as const };
      const found = textOf(await context.tool(use, () => Promise.resolve(sized(options))));
      return { length: found.length, found };
    },
    { input, limits },
  ),
  anAgent(
    'sets',
    ({ options }, { context }) => {
      context.set('large', sized(options));
      return 'set';
    },
    { input, limits },
  ),
  anAgent(
    'sets-many',
    ({ options }, { context }) => {
      const { keys, bytes, keyChars } = Many.parse(options);
      for (let i = 0; i < keys; i += 1) context.set(`${i}`.padStart(keyChars, 'k'), 'x'.repeat(bytes));
      return keys;
    },
    { input: z.object({ keys: z.number(), bytes: z.number(), keyChars: z.number() }), limits },
  ),
  anAgent(
    'sets-odd',
    (_task, { context }) => {
      context.set('odd', 'a null \u0000 character');
      return null;
    },
    {},
  ),
  anAgent('counts', async (_task, { context }) => {
    const values = await Promise.all(['0', '1000', '1999'].map((key) => context.get(key.padStart(10, 'k'))));
    return values.map((value) => textOf(value ?? null).length);
  }),
  anAgent('fails', ({ options }) => Promise.reject(new Error(sized(options))), { input }),
  anAgent(
    'notes',
    ({ options }, context) => {
      context.heartbeat(sized(options));
      return 'noted';
    },
    { input },
  ),
];
const Many = z.object({ keys: z.number(), bytes: z.number(), keyChars: z.number() });

let team: Team;
beforeAll(async () => {
  team = await startTeam(agents);
});
afterAll(async () => {
  await team[Symbol.asyncDispose]();
});

const retry = { maxAttempts: 1 };
const step = (agent: string, bytes: number) => ({ type: 'agent' as const, agent, input: { bytes }, retry });

/**
 * Nothing that the server had to end, or that was tried in vain, and no large event. A task that is forced to end, since
 * more than a hundred events came in meanwhile, is the server's usual way with many agents at once.
 */
async function expectHealthy(runId: string): Promise<void> {
  const events = await historyOf(team.temporal, runId);
  const troubles = events.flatMap((event) => [
    ...(event.workflowTaskFailedEventAttributes ? [JSON.stringify(event)] : []),
    ...(event.workflowTaskTimedOutEventAttributes ? [JSON.stringify(event)] : []),
    ...(event.workflowExecutionTerminatedEventAttributes ? [JSON.stringify(event)] : []),
  ]);
  expect(troubles.filter((trouble) => !trouble.includes('FORCE_CLOSE_COMMAND'))).toEqual([]);
  for (const event of events) expect(JSON.stringify(event).length).toBeLessThan(MB);
}

describe.each(SIZES_MB)('%d MB', (megabytes) => {
  const bytes = Math.round(megabytes * MB);

  test('as task and as input are refused with the limit, and nothing starts', async () => {
    const plan = { type: 'agent' as const, agent: 'quick' };
    const before = await team.client.list({ limit: 100 });
    await expect(team.client.start({ task: 'x'.repeat(bytes), plan })).rejects.toMatchObject({
      code: 'INPUT_TOO_LARGE',
      message: expect.stringMatching(`^task has ${bytes} bytes; the limit is ${LIMITS.taskBytes} `),
    });
    const large = { text: 'x'.repeat(Math.max(bytes, LIMITS.inputBytes)) };
    await expect(team.client.start({ task: 't', input: large, plan })).rejects.toMatchObject({
      code: 'INPUT_TOO_LARGE',
      message: expect.stringMatching(`^input has \\d+ bytes; the limit is ${LIMITS.inputBytes} `),
    });
    expect(await team.client.list({ limit: 100 })).toHaveLength(before.length);
  });

  test('from an agent travel by reference, or are refused with the limit', async () => {
    const result = await team.client.run({ task: 'Large', plan: step('says', bytes) });
    if (bytes < LIMITS.agentOutputBytes) {
      expect(result).toMatchObject({ status: 'completed', output: 'x'.repeat(bytes) });
    } else
      expect(result).toMatchObject({
        status: 'failed',
        failure: {
          code: 'AGENT_OUTPUT_TOO_LARGE',
          message: expect.stringMatching(`has ${bytes + 2} bytes; its limit is ${LIMITS.agentOutputBytes} `),
        },
      });
    await expectHealthy(result.runId);
  });

  test('from a tool reach the agent, or are refused with the limit', async () => {
    const result = await team.client.run({ task: 'Large', plan: step('uses', bytes) });
    if (bytes < MB) expect(result).toMatchObject({ status: 'completed', output: { length: bytes } });
    else
      expect(result).toMatchObject({
        status: 'failed',
        failure: { code: 'TOOL_RESULT_TOO_LARGE', message: expect.stringContaining(String(MB)) },
      });
    await expectHealthy(result.runId);
  });

  test('set in the context travel by reference, or are refused with the limit', async () => {
    const result = await team.client.run({ task: 'Large', plan: step('sets', bytes) });
    if (bytes < LIMITS.blobBytes) expect(result).toMatchObject({ status: 'completed', failure: null });
    else
      expect(result.failure).toMatchObject({
        code: 'INPUT_TOO_LARGE',
        message: expect.stringMatching(`has \\d+ bytes; the limit is ${LIMITS.blobBytes} `),
      });
    await expectHealthy(result.runId);
  });

  test('in a failure or in a note of an agent are one short line', async () => {
    const failed = await team.client.run({ task: 'Large', plan: step('fails', bytes) });
    expect(failed.failure).toMatchObject({
      code: 'AGENT_FAILED',
      message: expect.stringMatching(/^Error: x{900,1000}\.\.\.$/),
    });
    const noted = await team.client.run({ task: 'Large', plan: step('notes', bytes) });
    expect(noted.status).toBe('completed');
    for (const { runId } of [failed, noted]) await expectHealthy(runId);
  });
});

test('an output over the limit of its own manifest is refused with that one', async () => {
  const result = await team.client.run({ task: 'Large', plan: step('says-by-default', 1.5 * MB) });
  expect(result.failure).toMatchObject({
    code: 'AGENT_OUTPUT_TOO_LARGE',
    message: expect.stringMatching(`its limit is ${MB} `),
  });
});

describe('a turn that sets many keys', () => {
  const many = (keys: number, bytes: number, keyChars: number) => ({
    type: 'agent' as const,
    agent: 'sets-many',
    input: { keys, bytes, keyChars },
    retry,
  });

  test.each([1, 3])(
    'as many small values as there may be, in %d turns at once: they travel by reference',
    async (times) => {
      const plan = {
        type: 'sequence' as const,
        steps: [
          {
            type: 'parallel' as const,
            steps: Array.from({ length: times }, () => many(2_000, SMALL_BYTES, 10)),
          },
          { type: 'agent' as const, agent: 'counts' },
        ],
      };
      const result = await team.client.run({ task: 'Many', plan });
      expect(result).toMatchObject({ status: 'completed', output: [SMALL_BYTES, SMALL_BYTES, SMALL_BYTES] });
      await expectHealthy(result.runId);
      const { rows } = await team.admin.query<{ bytes: number }>(
        "select octet_length(result->>'effects') as bytes from ensemble.agent_runs where run_id = $1 and agent = 'sets-many'",
        [result.runId],
      );
      expect(rows).toHaveLength(times);
      for (const { bytes } of rows) expect(bytes).toBeLessThan(MB);
    },
  );

  test('small values stay inline', async () => {
    const result = await team.client.run({ task: 'Few', plan: many(20, 1_000, 10) });
    expect(await team.client.query(result.runId, 'context')).toHaveProperty('0'.padStart(10, 'k'), {
      inline: 'x'.repeat(1_000),
    });
  });

  test('whose names alone are too large is refused with the limit', async () => {
    const result = await team.client.run({ task: 'Names', plan: many(2_000, 1, 200) });
    expect(result.failure).toMatchObject({
      code: 'INPUT_TOO_LARGE',
      message: expect.stringMatching(`the limit is ${LIMITS.contextKeysBytes} `),
    });
  });

  test('with what PostgreSQL cannot keep is refused by the name of the key', async () => {
    const plan = { type: 'agent' as const, agent: 'sets-odd', retry };
    expect((await team.client.run({ task: 'Odd', plan })).failure).toEqual({
      code: 'AGENT_OUTPUT_INVALID',
      message: 'Context key "odd" holds a null character (U+0000)',
    });
  });
});

describe('450 agents at once', () => {
  const failing = { type: 'agent' as const, agent: 'fails', input: { bytes: 1_000 }, retry };
  const quick = { type: 'agent' as const, agent: 'quick' };
  const wide = (step: Step): Step => ({ type: 'parallel', steps: Array.from({ length: 450 }, () => step) });

  test('each with the largest task and input that travel inline', async () => {
    const text = 'x'.repeat(SMALL_BYTES);
    const result = await team.client.run({ task: text, input: { text }, plan: wide(quick) });
    expect(result.status).toBe('completed');
    expect(result.agents.map(({ status }) => status)).toEqual(Array.from({ length: 450 }, () => 'completed'));
    await expectHealthy(result.runId);
  }, 120_000);

  test('each with forty decisions of a kilobyte before it', async () => {
    const before: Step = { type: 'parallel', steps: [...Array.from({ length: 40 }, () => failing), quick] };
    const plan: Step = { type: 'sequence', steps: [before, wide(quick)] };
    const result = await team.client.run({ task: 'Decide', plan });
    expect(result.status).toBe('completed');
    expect(result.degraded).toHaveLength(40);
    await expectHealthy(result.runId);
  }, 120_000);
});
