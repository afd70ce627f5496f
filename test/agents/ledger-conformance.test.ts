import type { AgentContext, Reconciled, ToolUse } from '../../src/agents/base-agent';
import { agentState, memoryContext, scriptedModel } from '../../src/agents/testing';
import { AppError, FAILURES } from '../../src/protocol/failures';
import type { Json } from '../../src/protocol/json';
import { anAgent } from '../support/agents';
import { startTeam, type Team } from '../support/team';

/** What an agent does in each of its attempts, and what its calls did to the world: a key for each effect. */
type Scene = (context: AgentContext, effects: string[]) => Promise<Json>;

/** What a scene came to: its last failure's code, or undefined. */
interface Played {
  readonly code: string | undefined;
  readonly effects: readonly string[];
}

const ATTEMPTS = 3;
const scenes = new Map<string, { readonly scene: Scene; readonly effects: string[] }>();
let team: Team;
beforeAll(async () => {
  const actor = anAgent('actor', (task, context) => {
    const played = scenes.get(task.text);
    if (played === undefined) throw new Error(`There is no scene ${task.text}`);
    return played.scene(context, played.effects);
  });
  team = await startTeam([actor]);
});
afterAll(() => team[Symbol.asyncDispose]());

/** As Temporal, PostgreSQL and a worker do it. */
async function playReally(scene: Scene): Promise<Played> {
  const name = crypto.randomUUID();
  const effects: string[] = [];
  scenes.set(name, { scene, effects });
  const retry = { maxAttempts: ATTEMPTS, initialIntervalMs: 20 };
  const result = await team.client.run({ task: name, plan: { type: 'agent', agent: 'actor', retry } });
  return { code: result.failure?.code, effects };
}

/** As an author's test does it, attempt by attempt. */
async function playInMemory(scene: Scene): Promise<Played> {
  const state = agentState();
  const effects: string[] = [];
  let code: string | undefined;
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    const { context } = memoryContext({ model: scriptedModel(), state });
    try {
      await scene(context, effects);
      return { code: undefined, effects };
    } catch (error) {
      const failure = AppError.is(error) ? error.code : 'AGENT_FAILED';
      code = failure;
      if (!FAILURES[failure].retry) break;
    }
  }
  return { code, effects };
}

function use(change: Partial<ToolUse> = {}): ToolUse {
  return { name: 'mail.send', arguments: { to: 'you' }, step: '1.1', sideEffects: 'dangerous', ...change };
}

/** Does something to the world, and answers how often that has happened. */
const sends = (effects: string[]) => async (run: { readonly idempotencyKey: string }) =>
  effects.push(run.idempotencyKey);

/** The call's effect happens, and its answer is lost in the first attempt. */
const losing =
  (context: AgentContext, effects: string[]) => async (run: { readonly idempotencyKey: string }) => {
    effects.push(run.idempotencyKey);
    if (context.attempt === 1) throw new Error('connection reset');
    return effects.length;
  };

const told = (call: Promise<Json>): Promise<Json> =>
  call.catch((error: unknown) => (AppError.is(error) ? `${error.code}: ${error.message}` : String(error)));

describe.each([
  ['the real ledger', playReally],
  ['the ledger of the kit', playInMemory],
])('%s', (_, play) => {
  /** Makes the same calls in two attempts; answers what each was told. */
  async function twice(calls: Scene): Promise<Played & { readonly told: readonly Json[] }> {
    const answers: Json[] = [];
    const played = await play(async (context, effects) => {
      answers.push(await calls(context, effects));
      if (context.attempt === 1) throw new Error('dies after it');
      return null;
    });
    return { ...played, told: answers };
  }

  test.each(['none', 'idempotent', 'dangerous'] as const)(
    'a call with side effects "%s" whose outcome is known is not made again',
    async (sideEffects) => {
      const played = await twice((context, effects) => context.tool(use({ sideEffects }), sends(effects)));
      expect(played).toMatchObject({ code: undefined, told: [1, 1] });
      expect(played.effects).toHaveLength(1);
    },
  );

  test.each(['none', 'idempotent'] as const)(
    'a call with side effects "%s" whose outcome was lost is made again, under the same key',
    async (sideEffects) => {
      const played = await play((context, effects) =>
        context.tool(use({ sideEffects }), losing(context, effects)),
      );
      expect(played.code).toBeUndefined();
      expect(played.effects).toHaveLength(2);
      expect(new Set(played.effects).size).toBe(1);
    },
  );

  test.each<[string, Reconciled | undefined, number, string | undefined]>([
    ['happened', { happened: true, result: 'found' }, 1, undefined],
    ['did not happen', { happened: false }, 2, undefined],
    ['cannot be known', 'unknown', 1, 'TOOL_OUTCOME_UNKNOWN'],
    ['cannot be asked about', undefined, 1, 'TOOL_OUTCOME_UNKNOWN'],
  ])('a dangerous call whose outcome was lost, and that %s', async (_case, became, count, code) => {
    const reconcile = became && (() => Promise.resolve(became));
    const played = await play((context, effects) =>
      context.tool(use(reconcile === undefined ? {} : { reconcile }), losing(context, effects)),
    );
    expect(played.code).toBe(code);
    expect(played.effects).toHaveLength(count);
  });

  test('what is asked about a lost call is bounded like the call', async () => {
    const reconcile = () => new Promise<Reconciled>(() => undefined);
    const played = await play((context, effects) =>
      context.tool(use({ reconcile, timeoutMs: 50 }), losing(context, effects)),
    );
    expect(played).toMatchObject({ code: 'TOOL_TIMEOUT' });
    expect(played.effects).toHaveLength(1);
  });

  test('a definite failure is kept, and told in the same words each time', async () => {
    const played = await twice((context, effects) =>
      told(
        context.tool(use(), async (run) => {
          effects.push(run.idempotencyKey);
          throw new AppError('TOOL_FAILED', `no such\naddress \0 ${'x'.repeat(2_000)}`);
        }),
      ),
    );
    expect(played.effects).toHaveLength(1);
    expect(played.told[0]).toMatch(/^TOOL_FAILED: no such address x+\.\.\.$/);
    expect(played.told[1]).toBe(played.told[0]);
  });

  test('a result that is too large is an outcome', async () => {
    const played = await twice((context, effects) =>
      told(
        context.tool(use({ resultBytes: 100 }), async (run) => {
          effects.push(run.idempotencyKey);
          return 'x'.repeat(200);
        }),
      ),
    );
    expect(played.effects).toHaveLength(1);
    expect(played.told[0]).toMatch(/^TOOL_RESULT_TOO_LARGE: .* 202 bytes/);
    expect(played.told[1]).toBe(played.told[0]);
  });

  test('a call that took too long has no outcome', async () => {
    const played = await play((context, effects) =>
      context.tool(use({ sideEffects: 'idempotent', timeoutMs: 50 }), async (run) => {
        effects.push(run.idempotencyKey);
        return context.attempt < 3 ? new Promise<Json>(() => undefined) : 'at last';
      }),
    );
    expect(played.code).toBeUndefined();
    expect(played.effects).toHaveLength(3);
  });

  test('the same call made twice at once is one; another step, tool or other arguments are another', async () => {
    const uses = [use(), use(), use({ step: '1.2' }), use({ name: 'mail.draft' }), use({ arguments: 7 })];
    const played = await play((context, effects) =>
      Promise.all(uses.map((each) => context.tool(each, sends(effects)))),
    );
    expect(played.code).toBeUndefined();
    expect(played.effects).toHaveLength(4);
  });

  test('the same call made twice in a row is one where it changes the world, and the order of keys is none', async () => {
    const [one, other] = [{ arguments: { a: 1, b: 2 } }, { arguments: { b: 2, a: 1 } }];
    const answers: Json[] = [];
    const played = await play(async (context, effects) => {
      for (const sideEffects of ['none', 'idempotent', 'dangerous'] as const)
        for (const given of [one, other])
          answers.push(await context.tool(use({ ...given, sideEffects, step: sideEffects }), sends(effects)));
      return null;
    });
    expect(played.code).toBeUndefined();
    // What only reads is read again; the first outcome stays the one that counts.
    expect(answers).toEqual([1, 1, 3, 3, 4, 4]);
  });

  test('a result that cannot be stored as it is comes back the same in every attempt', async () => {
    const odd = { text: 'null \0 and half \ud800', at: new Date(0) } as unknown as Json;
    const kept = { text: 'null \ufffd and half \ufffd', at: '1970-01-01T00:00:00.000Z' };
    const played = await twice((context) => context.tool(use(), async () => odd));
    expect(played.told).toEqual([kept, kept]);
  });
});
