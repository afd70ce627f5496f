import { setTimeout as sleep } from 'node:timers/promises';
import { busIdOf } from '../../src/core/ids';
import { anAgent } from '../support/agents';
import { startTeam, type Team } from '../support/team';
import { until } from '../support/kills/until';

const SOON = { timeoutMs: 20_000 };

/** Asks whoever knows paths for each of its findings. */
const asker = anAgent('asker', async (_task, { bus }) => {
  const paths: unknown[] = [];
  for (const name of ['left-pad', 'right-pad']) {
    const { content } = await bus.request({ capability: 'dependency-path' }, { name }, SOON);
    paths.push(content);
  }
  await bus.handOff('closer', { paths: paths.length });
  await bus.broadcast('done', { priority: 'urgent' });
  return paths;
});

const answerer = anAgent(
  'answerer',
  async (_task, { bus }) => {
    for (let answered = 0; ;) {
      const message = await bus.receive(SOON);
      if (message?.type !== 'request') return answered;
      await bus.respond(message, { path: ['root', (message.content as { name: string }).name] });
      answered += 1;
    }
  },
  { capabilities: ['dependency-path'] },
);

const closer = anAgent('closer', async (_task, { bus }) => {
  await bus.subscribe({ topic: 'finding.*.high', since: 'start' });
  const work = await bus.receive({ ...SOON, filter: { op: 'eq', pointer: '/type', value: 'handoff' } });
  return work?.content;
});

/** Says more than a batch holds, and waits for none of it. */
const hasty = anAgent('hasty', (_task, { bus }) => {
  for (let index = 0; index < 300; index += 1) void bus.send('quiet', index);
  return 'said';
});
const quiet = anAgent('quiet', (task) => task.text);

/** Receives, and fails the first time: what it received is not read then. */
const forgetful = anAgent('forgetful', async (_task, { bus, attempt }) => {
  const heard = await bus.receiveMany(10, SOON);
  if (attempt === 1) throw new Error('forgot');
  return heard.map(({ content }) => content);
});
const caller = anAgent('caller', async (_task, { bus }) => {
  await Promise.all(['one', 'two'].map((content) => bus.send('forgetful', content)));
  return 'called';
});

/** Waits for a word with every slot of its worker taken by its like. */
const waiting = ['w1', 'w2', 'w3'].map((name) =>
  anAgent(name, async (_task, { bus }) => (await bus.receive({ timeoutMs: 60_000 }))?.content ?? 'nothing'),
);

describe('agents', () => {
  let team: Team;
  beforeAll(async () => {
    team = await startTeam([asker, answerer, closer, hasty, quiet, forgetful, caller]);
  });
  afterAll(() => team[Symbol.asyncDispose]());

  const inParallel = (...agents: string[]) => ({
    task: 'talk',
    plan: { strategy: 'parallel' as const, agents },
  });
  const outputs = async (runId: string): Promise<Readonly<Record<string, unknown>>> => {
    const { rows } = await team.admin.query<{ agent: string; output: { inline: unknown } }>(
      `select agent, result->'output' as output from ensemble.agent_runs where run_id = $1`,
      [runId],
    );
    return Object.fromEntries(rows.map(({ agent, output }) => [agent, output.inline]));
  };

  test('ask by capability, hand over, and tell everybody; what was heard is read when the turn is stored', async () => {
    const { runId, status } = await team.client.run(inParallel('asker', 'answerer', 'closer'));
    expect(status).toBe('completed');
    expect(await outputs(runId)).toEqual({
      asker: [{ path: ['root', 'left-pad'] }, { path: ['root', 'right-pad'] }],
      answerer: 2,
      closer: { paths: 2 },
    });
    const log = await team.client.messages.history(runId);
    const said = log
      .filter(({ type }) => !type.startsWith('bus.'))
      .map(({ from, type }) => `${from} ${type}`);
    expect(said).toEqual([
      'asker request',
      'answerer response',
      'asker request',
      'answerer response',
      'asker handoff',
      'asker inform',
    ]);
    const { mailboxes } = await team.client.messages.counts(runId);
    expect(mailboxes).toEqual([
      { member: 'answerer', pending: 0, delivered: 3, consumed: 3 },
      { member: 'asker', pending: 0, delivered: 2, consumed: 2 },
      { member: 'closer', pending: 1, delivered: 2, consumed: 1 },
    ]);
    // The closer may have subscribed before anybody asked.
    const first = log.find(({ type }) => type === 'request');
    expect(await team.client.messages.receipts(runId, first?.seq ?? 0)).toEqual([
      { member: 'answerer', status: 'consumed' },
    ]);
    const bus = await team.temporal.workflow.getHandle(busIdOf(runId)).describe();
    expect(bus.status.name).toBe('COMPLETED');
  });

  test('have said everything before their result counts, in order, awaited or not', async () => {
    const { runId, status } = await team.client.run(inParallel('hasty', 'quiet'));
    expect(status).toBe('completed');
    const log = await team.client.messages.history(runId, { limit: 1_000 });
    expect(log.map(({ content }) => content)).toEqual(Array.from({ length: 300 }, (_, index) => index));
  });

  test('hear again what an attempt that failed had heard', async () => {
    const { runId, status } = await team.client.run(inParallel('caller', 'forgetful'));
    expect(status).toBe('completed');
    expect((await outputs(runId))['forgetful']).toEqual(['one', 'two']);
    const { mailboxes } = await team.client.messages.counts(runId);
    expect(mailboxes).toEqual([{ member: 'forgetful', pending: 0, delivered: 2, consumed: 2 }]);
  });

  test('who say nothing leave no trace of a bus', async () => {
    const { runId } = await team.client.run(inParallel('quiet'));
    const { rows } = await team.admin.query('select from ensemble.buses where run_id = $1', [runId]);
    expect(rows).toEqual([]);
    await expect(team.temporal.workflow.getHandle(busIdOf(runId)).describe()).rejects.toThrow('not found');
  });
});

test('messages are routed while every slot of the worker is taken by agents who wait for them', async () => {
  await using team = await startTeam(waiting, undefined, {
    environment: { ENSEMBLE_MAX_CONCURRENT_AGENTS: '3' },
  });
  const { runId } = await team.client.start({
    task: 'wait',
    plan: { strategy: 'parallel', agents: ['w1', 'w2', 'w3'] },
  });
  const busy = async () =>
    (
      await team.admin.query(`select from ensemble.agent_runs where run_id = $1 and status = 'running'`, [
        runId,
      ])
    ).rowCount === 3;
  await until(busy);
  await sleep(200);
  await Promise.all(
    ['w1', 'w2', 'w3'].map((to) => team.client.messages.send(runId, { to, content: `word for ${to}` })),
  );
  const result = await team.client.result(runId);
  expect(result.status).toBe('completed');
  const { mailboxes } = await team.client.messages.counts(runId);
  expect(mailboxes.map(({ consumed }) => consumed)).toEqual([1, 1, 1]);
});
