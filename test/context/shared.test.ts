import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { AgentContext, AgentTask } from '../../src/agents/base-agent';
import { workflowIdOf } from '../../src/core/ids';
import { AppError } from '../../src/protocol/failures';
import type { Json } from '../../src/protocol/json';
import { LIMITS } from '../../src/protocol/limits';
import type { Step } from '../../src/protocol/plan';
import { storyOf } from '../run/support/story';
import { anAgent } from '../support/agents';
import { countsOf } from '../support/kills/history';
import { startTeam, type Team } from '../support/team';

type Work = (context: AgentContext['context'], about: AgentContext, task: AgentTask) => Promise<unknown>;

/** What agents of these tests do, by the name that a step gives as its input. */
const WORK: Record<string, Work> = {};
const work = (name: string, todo: Work): Step => {
  WORK[name] = todo;
  return doing(name);
};
const doing = (name: string, more: object = {}): Step => ({
  type: 'agent',
  agent: 'worker',
  input: { does: name },
  retry: { maxAttempts: 2, initialIntervalMs: 20 },
  ...more,
});
const execute = async (task: AgentTask, about: AgentContext): Promise<unknown> => {
  const { does } = task.options as { does: string };
  return (await WORK[does]?.(about.context, about, task)) ?? does;
};
const input = z.object({ does: z.string() });
const agents = ['worker', 'keeper', 'spy'].map((name) => anAgent(name, execute, { input }));

let team: Team;
beforeAll(async () => {
  team = await startTeam(agents);
});
afterAll(() => team[Symbol.asyncDispose]());

const sequence = (steps: readonly Step[], more: object = {}): Step => ({ type: 'sequence', steps, ...more });
const parallel = (steps: readonly Step[], more: object = {}): Step => ({
  type: 'parallel',
  aggregate: 'concat',
  steps: steps.map((step) => ({ ...step, onFailure: 'fail' })),
  ...more,
});

const run = (plan: Step) => team.client.run({ task: 'Share', plan });
const codeOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'taken',
    (error: unknown) => (AppError.is(error) ? error.code : error),
  );
const contextOf = (runId: string) => team.client.query(runId, 'context');
const inline = (value: Json) => ({ inline: value });

test('twelve agents count on one key at once: no increment is lost, and they share the way there', async () => {
  const count = work('count', async (context) => {
    for (let i = 0; i < 5; i += 1) await context.update('n', (value) => Number(value ?? 0) + 1);
  });
  const { runId, status } = await run(parallel(Array.from({ length: 12 }, () => count)));
  expect(status).toBe('completed');
  expect(await contextOf(runId)).toMatchObject({ n: inline(60) });
  const { workflowExecutionUpdateAccepted: batches = 0 } = await countsOf(team.temporal, runId);
  const { rows } = await team.admin.query<{ writes: string }>(
    'select count(*) as writes from ensemble.context_writes w join ensemble.agent_runs r on r.id = w.agent_run_id where r.run_id = $1',
    [runId],
  );
  expect(Number(rows[0]?.writes)).toBeGreaterThanOrEqual(60);
  expect(batches).toBeLessThan(Number(rows[0]?.writes));

  const history = await team.client.contextHistory(runId, 'n');
  expect(history.map(({ version }) => version)).toEqual(Array.from({ length: 60 }, (_, i) => i + 1));
  expect(history.map(({ value }) => value)).toEqual(Array.from({ length: 60 }, (_, i) => i + 1));
  expect(history[0]).toMatchObject({
    key: 'n',
    op: 'compare-and-set',
    author: 'worker',
    cause: { at: 'once' },
  });
  const addresses = new Set(history.map(({ cause }) => cause.address));
  expect(addresses.size).toBe(12);
  const page = await team.client.contextHistory(runId, 'n', { after: 40, limit: 7 });
  expect(page.map(({ version }) => version)).toEqual([41, 42, 43, 44, 45, 46, 47]);
  await expect(codeOf(team.client.contextHistory(runId, 'n', { limit: 101 }))).resolves.toBe('INPUT_INVALID');
});

test('a conflict reaches the agent that lost, and the winner stands', async () => {
  const codes = work('race', async (context) => {
    const first = await context.compareAndSet('k', 0, 'first');
    const lost = await codeOf(context.compareAndSet('k', 0, 'again'));
    const second = await context.compareAndSet('k', first, 'second');
    return {
      first,
      lost,
      second,
      reading: await context.read('k'),
      none: (await context.read('none')) ?? null,
    };
  });
  const { output, runId } = await run(codes);
  const reading = { value: 'second', version: 2, author: 'worker' };
  expect(output).toEqual({ first: 1, lost: 'CONTEXT_CONFLICT', second: 2, reading, none: null });
  expect(await team.client.contextHistory(runId, 'k')).toMatchObject([
    { version: 1, value: 'first' },
    { version: 2, value: 'second' },
  ]);
});

test('turns merge by what the plan declares, at once or with their completion, and agents see their own', async () => {
  const context = { top: { merge: 'max' }, seen: { merge: 'union' }, log: { merge: 'append' } };
  const bring = (n: number): Step =>
    work(`bring-${n}`, async (shared) => {
      await shared.merge('top', n);
      await shared.merge('seen', [n, 'both']);
      await shared.merge('log', `entry ${n}`, { now: n === 2 });
      await shared.append('more', n);
      const refused = [
        await codeOf(shared.merge('top', 'a text')),
        await codeOf(shared.append('top', 1)),
        await codeOf(shared.merge('seen', 7, { now: true })),
      ];
      return { refused, top: await shared.get('top'), seen: await shared.get('seen') };
    });
  const plan = sequence([parallel([bring(1), bring(3)]), bring(2)], { context });
  const { output, runId } = await run(plan);
  const refused = ['CONTEXT_UNMERGEABLE', 'CONTEXT_UNMERGEABLE', 'CONTEXT_UNMERGEABLE'];
  expect(output).toEqual({ refused, top: 3, seen: ['both', 1, 2, 3] });
  const now = (await contextOf(runId)) as Record<string, { inline: Json[] }>;
  expect(now).toMatchObject({ top: inline(3), seen: inline(['both', 1, 2, 3]) });
  expect(now['log']?.inline.toSorted()).toEqual(['entry 1', 'entry 2', 'entry 3']);
  expect(now['log']?.inline.at(-1)).toBe('entry 2');
  expect(await team.client.contextHistory(runId, 'log')).toMatchObject([
    { op: 'merge', cause: { at: 'completion' } },
    { op: 'merge', cause: { at: 'completion' } },
    { op: 'merge', value: 'entry 2', cause: { at: 'once', address: '2' } },
  ]);
});

test('what no longer fits when the turn completes is refused in the story, and nothing else of the turn', async () => {
  const plan = parallel([
    work('appends', async (context) => {
      await context.append('list', 1);
      context.set('other', 'kept');
      await context.compareAndSet('ready', 0, true);
      await context.watch('list', { op: 'exists', pointer: '' }, { timeoutMs: 30_000 });
    }),
    work('spoils', async (context) => {
      await context.watch('ready', { op: 'eq', pointer: '', value: true }, { timeoutMs: 30_000 });
      context.set('list', 'no list');
    }),
  ]);
  const { runId } = await run(plan);
  expect(await contextOf(runId)).toMatchObject({ list: inline('no list'), other: inline('kept') });
  const story = await storyOf(team.client, runId);
  expect(story.filter(({ type }) => type === 'context.refused')).toMatchObject([
    { address: '1', data: { count: 1, refused: [{ code: 'CONTEXT_UNMERGEABLE', key: 'list' }] } },
  ]);
  expect(await team.client.contextHistory(runId, 'list')).toMatchObject([{ value: 'no list', version: 1 }]);
});

test("an agent's own keys are its own: in later executions, and for nobody else", async () => {
  const keeps = {
    ...work('keeps', async (context) => {
      const own = context.private();
      const before = (await own.get('notes')) ?? null;
      await own.append('notes', 'secret');
      own.set('large', 'secret'.repeat(10_000));
      return {
        before,
        after: await own.get('notes'),
        history: (await own.history('notes')).length,
        large: typeof (await own.get('large')),
      };
    }),
    agent: 'keeper',
  } as Step;
  const spies = {
    ...work('spies', async (context) => ({
      named: await codeOf((async () => context.private('keeper'))()),
      shared: (await context.get('notes')) ?? null,
      own: (await context.private('spy').get('notes')) ?? null,
    })),
    agent: 'spy',
  } as Step;
  const { output, runId } = await run(parallel([sequence([keeps, keeps, spies]), keeps]));
  const [spied] = output as unknown as readonly Json[];
  expect(spied).toEqual({ named: 'CONTEXT_FORBIDDEN', shared: null, own: null });
  expect(await team.client.output(runId, '1.2')).toMatchObject({
    before: expect.arrayContaining(['secret']),
    after: expect.arrayContaining(['secret', 'secret']),
    large: 'string',
  });
  expect(JSON.stringify(await contextOf(runId))).not.toContain('notes');
  const raw = team.temporal.workflow.getHandle(workflowIdOf(runId));
  expect(await raw.query('contextEntries', ['notes', 'keeper', 'keeper/notes'])).toEqual([null, null, null]);
  expect(await team.client.contextHistory(runId, 'notes')).toEqual([]);
});

describe('waiting', () => {
  const budget = (left: number, filler = ''): Step =>
    work(`budget-${left}-${filler.length}`, async (context) => {
      await sleep(200);
      context.set('budget', { left, filler });
    });
  const wait = (more: object = {}): Step => ({
    type: 'wait',
    for: 'context',
    key: 'budget',
    where: { op: 'gt', pointer: '/left', value: 2 },
    timeoutMs: 60_000,
    ...more,
  });

  test.each(['', 'x'.repeat(20_000)])(
    'a step waits until a key holds what is wanted, also in a blob',
    async (filler) => {
      const spent = work('spends', async (context, _about, task) => ({
        left: ((await context.get('budget')) as { left: number }).left,
        before: task.previous.length,
      }));
      const after = { op: 'eq', pointer: '/last/left', value: 7 } as const;
      const branches = [
        sequence([wait(), { ...spent, when: after }]),
        sequence([budget(1, filler), budget(7, filler)]),
      ];
      const { output, status } = await run(parallel(branches));
      expect(status).toBe('completed');
      expect(output).toMatchObject([{ left: 7 }, expect.anything()]);
    },
  );

  test('it ends at its deadline, typed, and at once where the key is there already', async () => {
    const late = await run(sequence([budget(1), wait({ timeoutMs: 300 })]));
    expect(late).toMatchObject({ status: 'failed', failure: { code: 'STEP_TIMEOUT' } });
    expect(late.failure?.message).toContain(
      'Context key "budget" did not hold what the step waits for within 300 ms',
    );
    const there = await run(sequence([budget(9), wait()]));
    expect(there).toMatchObject({ status: 'completed', output: { left: 9 } });
    const { runId } = await team.client.start({ task: 'Share', plan: sequence([budget(1), wait()]) });
    for await (const { type } of team.client.events(runId)) if (type === 'agent.completed') break;
    await team.client.cancel(runId);
    expect(await team.client.result(runId)).toMatchObject({ status: 'cancelled' });
  });

  test('it goes on over histories that continue as new, and so do versions and what was deleted', async () => {
    const client = await team.clientOf(3);
    const count = work('counts-on', async (context) => {
      context.delete('gone');
      await context.compareAndSet('gone', 0, true);
      return context.update('n', (value) => Number(value ?? 0) + 1);
    });
    const done: Step = wait({ key: 'n', where: { op: 'gte', pointer: '', value: 8 } });
    const plan = parallel([done, sequence(Array.from({ length: 9 }, () => count))], {
      context: { n: { merge: 'max' } },
    });
    const { runId } = await client.start({ task: 'Share', plan });
    expect(await client.result(runId)).toMatchObject({
      status: 'completed',
      output: [expect.any(Number), 9],
    });
    const history = await client.contextHistory(runId, 'n');
    expect(history.map(({ version }) => version)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    const gone = await client.contextHistory(runId, 'gone');
    expect(gone.map(({ version, op }) => [version, op])).toEqual(
      Array.from({ length: 18 }, (_, i) => [i + 1, i % 2 === 0 ? 'compare-and-set' : 'delete']),
    );
    expect(JSON.stringify(await contextOf(runId))).not.toContain('gone');
    const { events } = await team.temporal.workflow.getHandle(workflowIdOf(runId)).fetchHistory();
    expect(
      events?.[0]?.workflowExecutionStartedEventAttributes?.continuedExecutionRunId?.length,
    ).toBeGreaterThan(0);
  });

  test('an agent is woken by what another turn leaves, and told when nothing comes', async () => {
    const watches = work('watches', async (context) => ({
      seen: await context.watch('budget', { op: 'gt', pointer: '/left', value: 2 }, { timeoutMs: 30_000 }),
      never: (await context.watch('never', { op: 'exists', pointer: '' }, { timeoutMs: 100 })) ?? 'nothing',
    }));
    const { output } = await run(parallel([watches, sequence([budget(1), budget(4)])]));
    expect(output).toMatchObject([
      { seen: { value: { left: 4 }, version: 2, author: 'worker' }, never: 'nothing' },
      expect.anything(),
    ]);
  });
});

describe('every write is fenced by the token of its attempt', () => {
  test('one that was overtaken writes nothing at once, and reads nothing of its own', async () => {
    const gates = new Map<string, () => void>();
    const outcomes: unknown[] = [];
    const overtaken = work('overtaken', async (context, { runId, attempt }) => {
      if (attempt > 1) return context.update('n', (value) => Number(value ?? 0) + 1);
      await context.update('n', (value) => Number(value ?? 0) + 1);
      await new Promise<void>((open) => gates.set(runId, open));
      const late = context.update('n', (value) => Number(value ?? 0) + 10);
      outcomes.push(await codeOf(late), await codeOf(context.private().get('k')));
      throw new Error('over');
    });
    const { runId } = await team.client.start({ task: 'Share', plan: overtaken });
    while (!gates.has(runId)) await sleep(20);
    // As a later attempt does when it opens.
    await team.admin.query("update ensemble.agent_runs set token_hash = 'another' where run_id = $1", [
      runId,
    ]);
    gates.get(runId)?.();
    // The second attempt repeats the first one's increment, which was made: it is told so.
    expect(await team.client.result(runId)).toMatchObject({ status: 'completed', output: 1 });
    expect(outcomes).toEqual(['ATTEMPT_FENCED', 'ATTEMPT_FENCED']);
    expect(await contextOf(runId)).toMatchObject({ n: inline(1) });
  });

  test('an attempt that goes another way than the one before goes on with what is there', async () => {
    const wavers = work('wavers', async (context, { attempt }) => {
      await context.append('log', 'same', { now: true });
      await context.append('log', `attempt ${attempt}`, { now: true });
      const first = await context.read('n');
      const set = await codeOf(context.compareAndSet('n', first?.version ?? 0, `by ${attempt}`));
      if (attempt === 1) throw new Error('once more');
      return {
        first: first ?? null,
        set,
        n: (await context.read('n'))?.value,
        log: await context.get('log'),
      };
    });
    const { output } = await run(wavers);
    expect(output).toEqual({
      first: null,
      set: 'CONTEXT_CONFLICT',
      n: 'by 1',
      log: ['same', 'attempt 1', 'attempt 2'],
    });
  });
});

test('batches of one workflow are counted before the server refuses them', async () => {
  const gates = new Map<string, () => void>();
  const codes: unknown[] = [];
  const crowded = work('crowded', async (context, { runId }) => {
    await new Promise<void>((open) => gates.set(runId, open));
    codes.push(await codeOf(context.append('log', 1, { now: true })));
    context.set('late', true);
  });
  const { runId } = await team.client.start({ task: 'Share', plan: crowded });
  while (!gates.has(runId)) await sleep(20);
  const handle = team.temporal.workflow.getHandle(workflowIdOf(runId));
  const writes = [{ address: '7', number: 1, write: { op: 'delete', key: 'k' } }];
  const fill = async (): Promise<void> => {
    for (let i = 0; i < LIMITS.contextBatches / 5; i += 1)
      await handle.executeUpdate('ensemble.context', { args: [{ writes }] });
  };
  await Promise.all(Array.from({ length: 5 }, fill));
  gates.get(runId)?.();
  expect(await team.client.result(runId)).toMatchObject({ status: 'completed' });
  expect(codes).toEqual(['CONTEXT_LIMIT']);
  expect(await contextOf(runId)).toMatchObject({ late: inline(true) });
}, 180_000);

test('an attempt that only reads what the one before wrote sees it in the end', async () => {
  const looks = work('looks', async (context, { attempt }) => {
    if (attempt === 1) {
      await context.compareAndSet('k', 0, 'written');
      throw new Error('once more');
    }
    const first = (await context.get('k')) ?? null;
    const watched = await context.watch(
      'k',
      { op: 'eq', pointer: '', value: 'written' },
      { timeoutMs: 20_000 },
    );
    let value = await context.get('k');
    for (let reads = 0; value === undefined && reads < 200; reads += 1) value = await context.get('k');
    return { first, watched: watched?.value, value };
  });
  const { output } = await run(looks);
  expect(output).toEqual({ first: null, watched: 'written', value: 'written' });
});

describe('limits are told by name before anybody else meets them', () => {
  test('writes at once are counted, over attempts, and travel many in one batch', async () => {
    const floods = work('floods', async (context, { attempt }) => {
      const writes = Array.from({ length: LIMITS.contextWritesAtOnce - 1 }, (_, i) =>
        context
          .compareAndSet(`key-${i % 100}`, 2_000_000, i)
          .catch((error: unknown) => codeOf(Promise.reject(error))),
      );
      const codes = new Set(await Promise.all(attempt === 1 ? writes : []));
      await Promise.allSettled(writes);
      const last = await codeOf(context.append('last', 1, { now: true }));
      return { codes: [...codes], last, over: await codeOf(context.append('last', 2, { now: true })) };
    });
    const { output, runId } = await run(floods);
    expect(output).toEqual({ codes: ['CONTEXT_CONFLICT'], last: 'taken', over: 'CONTEXT_LIMIT' });
    const { workflowExecutionUpdateAccepted } = await countsOf(team.temporal, runId);
    expect(workflowExecutionUpdateAccepted).toBeLessThan(60);
  }, 60_000);

  test('keys, values and what cannot be merged', async () => {
    const large = 'x'.repeat(20_000);
    const tries = work('tries', async (context) => {
      await context.compareAndSet('blob', 0, large);
      return {
        empty: await codeOf(context.compareAndSet('', 0, 1)),
        task: await codeOf(context.append('task', 1, { now: true })),
        version: await codeOf(context.compareAndSet('k', 1.5, 1)),
        odd: await codeOf(context.compareAndSet('k', 0, 'half \ud800')),
        added: await codeOf(context.append('list', large, { now: true })),
        toBlob: await codeOf(context.append('blob', 1, { now: true })),
        toBlobLater: await codeOf(context.append('blob', 1)),
        read: (await context.read('blob'))?.value === large,
      };
    });
    const { output, runId } = await run(tries);
    expect(output).toEqual({
      empty: 'INPUT_INVALID',
      task: 'INPUT_INVALID',
      version: 'INPUT_INVALID',
      odd: 'AGENT_OUTPUT_INVALID',
      added: 'CONTEXT_UNMERGEABLE',
      toBlob: 'CONTEXT_UNMERGEABLE',
      toBlobLater: 'CONTEXT_UNMERGEABLE',
      read: true,
    });
    expect(await team.client.contextHistory(runId, 'blob')).toMatchObject([{ value: large }]);
  });

  test('a plan that declares a merge which nobody has defined does not start to work', async () => {
    const plan: Step = { ...doing('never'), context: { k: { merge: 'no-such-merge' } } };
    expect(await run(plan)).toMatchObject({ status: 'failed', failure: expect.anything(), agents: [] });
    const inside = sequence([{ ...doing('never'), context: { k: { merge: 'max' } } }]);
    await expect(team.client.start({ task: 'Share', plan: inside })).rejects.toMatchObject({
      code: 'PLAN_INVALID',
      message: expect.stringContaining('plan.steps[0].context stands inside of the plan'),
    });
  });

  test('an update that is no batch, or of no agent at work, changes nothing and fails nothing', async () => {
    const gates = new Map<string, () => void>();
    const waits = work(
      'waits',
      (_context, { runId }) => new Promise((open) => gates.set(runId, () => open('done'))),
    );
    const { runId } = await team.client.start({ task: 'Share', plan: waits });
    while (!gates.has(runId)) await sleep(20);
    const handle = team.temporal.workflow.getHandle(workflowIdOf(runId));
    const write = { op: 'set', key: 'k', value: inline(1) };
    const wrong: readonly unknown[] = [
      null,
      'text',
      { writes: [] },
      { writes: [{ address: '0', number: 0, write }] },
      { writes: [{ address: '0', number: 1, write: { op: 'hit', key: 'k' } }] },
      { writes: [{ address: '0', number: 1, write: { ...write, value: 7 } }] },
      { writes: [{ address: '0', number: 1, write: { ...write, op: 'compare-and-set', version: 'first' } }] },
    ];
    for (const batch of wrong)
      await expect(handle.executeUpdate('ensemble.context', { args: [batch] })).rejects.toMatchObject({
        cause: { type: 'INPUT_INVALID' },
      });
    const elsewhere = { writes: [{ address: '7', number: 1, write }] };
    expect(await handle.executeUpdate('ensemble.context', { args: [elsewhere] })).toMatchObject([
      { refused: 'ATTEMPT_FENCED' },
    ]);
    await expect(handle.query('contextEntries', 'no list')).rejects.toThrow(/keys must be a list/);
    gates.get(runId)?.();
    expect(await team.client.result(runId)).toMatchObject({ status: 'completed', output: 'done' });
    const counts = await countsOf(team.temporal, runId);
    expect(counts).not.toHaveProperty('workflowTaskFailed');
    expect(Object.keys((await contextOf(runId)) as object)).not.toContain('k');
  });
});
