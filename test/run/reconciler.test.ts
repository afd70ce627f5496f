import type { Client } from '@temporalio/client';
import { pino } from 'pino';
import { uuidv7 } from 'uuidv7';
import { createPool } from '../../src/db/pool';
import { createRepositories, type Repositories } from '../../src/db/repositories';
import type { NewRun } from '../../src/db/repositories/runs';
import type { RunResult } from '../../src/protocol/run';
import { DEFAULT_PROJECT_ID, LOCAL_TENANT_ID } from '../../src/protocol/run';
import type { Step } from '../../src/protocol/plan';
import { Cleanup } from '../../src/runtime/cleanup';
import { reconcile, type ReconcilerOptions, startReconciler } from '../../src/runtime/reconciler';
import { connectClient, temporalTarget } from '../../src/runtime/temporal';
import { aClosing, anOpening, aRun, opened, plot } from '../db/support/samples';
import { anAgent } from '../support/agents';
import { cuttableProxy } from '../support/cuttable-proxy';
import { startTeam, type Team } from '../support/team';

const executed: string[] = [];
const agents = [
  anAgent('writer', (_task, { runId }) => {
    executed.push(runId);
    return 'written';
  }),
  anAgent('deaf', () => new Promise(() => undefined)),
];
const NEVER = new AbortController().signal;

let team: Team;
/** Has a run since the beginning that only its worker's own reconciler can start. */
let unattended: Team & { readonly runId: string };
let repositories: Repositories;
let log: ReturnType<typeof linesOf>;
const cleanup = new Cleanup();

beforeAll(async () => {
  team = cleanup.use(await startTeam(agents));
  repositories = repositoriesOf(team);
  log = linesOf();
  const other = cleanup.use(await startTeam(agents));
  const { runId } = await repositoriesOf(other).runs.create(LOCAL_TENANT_ID, aRun());
  await asAdmin(other, "update ensemble.runs set created_at = now() - interval '1 minute'");
  unattended = { ...other, runId };
});
afterAll(() => cleanup[Symbol.asyncDispose]());

function repositoriesOf({ environment }: Team): Repositories {
  const url = environment['DATABASE_URL'] ?? '';
  const pool = createPool(url, { size: 10, applicationName: 'ensemble-test', onError: () => {} });
  cleanup.defer(() => pool.end());
  return createRepositories(pool);
}

async function asAdmin({ databaseAdminUrl }: Team, statement: string) {
  const pool = createPool(databaseAdminUrl, {
    size: 1,
    applicationName: 'ensemble-test',
    onError: () => {},
  });
  try {
    return (await pool.query(statement)).rows;
  } finally {
    await pool.end();
  }
}

function linesOf() {
  const lines: { level: number; msg: string; runId?: string }[] = [];
  const logger = pino({ level: 'debug' }, { write: (line: string) => void lines.push(JSON.parse(line)) });
  return { lines, logger };
}

/** A reconciler that waits for nothing, unless told otherwise. */
function options(change: Partial<ReconcilerOptions> = {}): ReconcilerOptions {
  const taskQueue = team.environment['ENSEMBLE_TASK_QUEUE'] ?? '';
  const { temporal } = team;
  return {
    repositories,
    temporal,
    taskQueue,
    log: log.logger,
    intervalMs: 0,
    olderThanMs: 0,
    ...change,
  };
}

/** A run that was accepted by somebody who died before starting it. */
async function orphan(change: Partial<NewRun> = {}): Promise<string> {
  return (await repositories.runs.create(LOCAL_TENANT_ID, aRun(change))).runId;
}

const handle = (runId: string) => team.temporal.workflow.getHandle(`run-${runId}`);
const agentNamed = (agent: string): Step => ({ type: 'agent', agent });

/** What the audit tells of one run. */
async function audited(runId: string): Promise<unknown[]> {
  const rows = await asAdmin(
    team,
    "select tenant_id, purpose, actor, detail->'runs' as runs from ensemble.audit_log",
  );
  return rows.flatMap(({ runs, ...entry }) =>
    runs.filter((run: { runId: string }) => run.runId === runId).map((run: object) => ({ ...entry, ...run })),
  );
}

test('a row without a workflow is started, once, and whoever waits for it gets the result', async () => {
  const runId = await orphan();
  await reconcile(options({ olderThanMs: 60_000 }), NEVER);
  await expect(handle(runId).describe()).rejects.toThrow('not found');
  const waiting = team.client.result(runId);
  await reconcile(options(), NEVER);
  await expect(waiting).resolves.toMatchObject({ status: 'completed', output: 'written' });
  await reconcile(options(), NEVER);
  expect(executed.filter((id) => id === runId)).toHaveLength(1);
  expect(await plot(repositories, runId)).toEqual([
    'run.accepted',
    'run.started',
    'agent.started',
    'agent.completed',
    'run.completed',
  ]);
  expect(await audited(runId)).toEqual([
    {
      tenant_id: LOCAL_TENANT_ID,
      purpose: 'reconcile',
      actor: team.temporal.options.identity,
      runId,
      did: 'started',
      status: 'queued',
    },
  ]);
});

test('a second request under the key of a run that nobody started starts what was accepted', async () => {
  const request = { task: 'Once', plan: agentNamed('writer'), idempotencyKey: 'left-behind' };
  const first = await team.client.start(request);
  await team.client.result(first.runId);
  // As it was before the start: the row of the same request, and no workflow.
  const row = await repositories.runs.find(LOCAL_TENANT_ID, first.runId);
  const runId = await orphan({
    idempotencyKey: 'left-behind-too',
    requestHash: row?.requestHash ?? '',
    plan: agentNamed('writer'),
    input: { inline: { accepted: 'first' } },
  });
  const again = await team.client.start({ ...request, idempotencyKey: 'left-behind-too' });
  expect(again).toMatchObject({ runId, created: false });
  await expect(team.client.result(runId)).resolves.toMatchObject({ status: 'completed' });
  const { events } = await handle(runId).fetchHistory();
  const started = events?.[0]?.workflowExecutionStartedEventAttributes?.input?.payloads?.[0]?.data;
  expect(JSON.parse(String(Buffer.from(started ?? [])))).toMatchObject({
    input: { inline: { accepted: 'first' } },
  });
});

test('a run terminated while nobody waits fails, its agents are cancelled, its story ends', async () => {
  const { runId } = await team.client.start({ task: 'Gone', plan: agentNamed('deaf') });
  for await (const { type } of team.client.events(runId)) if (type === 'agent.started') break;
  await handle(runId).terminate('an operator\n said\u0000 so');
  // Just closed: an end that is being stored at this moment comes first.
  await reconcile(options({ olderThanMs: 60_000 }), NEVER);
  await asAdmin(
    team,
    `update ensemble.runs set created_at = now() - interval '2 minutes' where id = '${runId}'`,
  );
  await reconcile(options({ olderThanMs: 60_000 }), NEVER);
  expect((await team.client.describe(runId)).status).toBe('running');
  await reconcile(options(), NEVER);
  const result = await team.client.describe(runId);
  expect(result).toMatchObject({
    status: 'failed',
    failure: {
      code: 'RUN_TERMINATED',
      message: 'The workflow was closed from outside: an operator said so',
    },
    agents: [{ agent: 'deaf', status: 'cancelled' }],
  });
  expect(await plot(repositories, runId)).toEqual([
    'run.accepted',
    'run.started',
    'agent.started',
    'agent.failed',
    'run.failed',
  ]);
  await reconcile(options(), NEVER);
  expect(await audited(runId)).toMatchObject([{ did: 'settled', status: 'failed', code: 'RUN_TERMINATED' }]);
});

describe('other closes say what they say', () => {
  /** Opens a finished run's row again, as if its end had never been stored. */
  const reopen = (runId: string) =>
    asAdmin(
      team,
      `update ensemble.runs set status = 'running', ended_at = null, failure = null, result = null
        where id = '${runId}'`,
    );
  const settled = async (runId: string): Promise<RunResult> => {
    await handle(runId)
      .result()
      .catch(() => undefined);
    await reconcile(options(), NEVER);
    return team.client.describe(runId);
  };

  const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
  const json = (value: object) => ({
    metadata: { encoding: bytes('json/plain') },
    data: bytes(JSON.stringify(value)),
  });

  test.each([
    ['nothing', () => null],
    ['broken JSON', () => ({ payloads: [{ ...json({}), data: bytes('{"a":') }] })],
    ['an unknown encoding', () => ({ payloads: [{ metadata: { encoding: bytes('odd') } }] })],
    ['half of what it needs', (runId: string) => ({ payloads: [json({ schemaVersion: 1, runId })] })],
  ])('a workflow that somebody started with %s refused it at once; its row follows', async (_, inputOf) => {
    const runId = await orphan();
    await team.temporal.workflowService.startWorkflowExecution({
      namespace: 'default',
      workflowId: `run-${runId}`,
      requestId: runId,
      workflowType: { name: 'teamRun' },
      taskQueue: { name: options().taskQueue },
      input: inputOf(runId),
    });
    await expect(handle(runId).result()).rejects.toMatchObject({ cause: { type: 'INPUT_INVALID' } });
    expect((await team.client.describe(runId)).status).toBe('queued');
    expect(await settled(runId)).toMatchObject({
      status: 'failed',
      failure: { code: 'INPUT_INVALID', message: expect.stringMatching(/^input/) },
    });
    expect(await plot(repositories, runId)).toEqual(['run.accepted', 'run.failed']);
    expect(executed).not.toContain(runId);
  });

  test('a workflow whose time was limited by somebody else', async () => {
    const runId = await orphan();
    const start = { workflowId: `run-${runId}`, taskQueue: 'nobody', workflowExecutionTimeout: 500 };
    await team.temporal.workflow.start('teamRun', start);
    expect(await settled(runId)).toMatchObject({ status: 'failed', failure: { code: 'RUN_TERMINATED' } });
  });

  test('a cancelled workflow, and one that completed, whose rows know nothing of it', async () => {
    const cancelled = await team.client.start({ task: 'Stop', plan: agentNamed('deaf') });
    await team.client.cancel(cancelled.runId);
    await team.client.result(cancelled.runId);
    await reopen(cancelled.runId);
    expect(await settled(cancelled.runId)).toMatchObject({
      status: 'cancelled',
      failure: { code: 'RUN_CANCELLED' },
    });
    const { runId } = await team.client.run({ task: 'Lost', plan: agentNamed('writer') });
    await reopen(runId);
    expect(await settled(runId)).toMatchObject({
      status: 'failed',
      failure: { code: 'RUN_FAILED', message: expect.stringContaining('does not hold its result') },
      agents: [{ agent: 'writer', status: 'completed' }],
    });
  });
});

test('a run whose workflow is forgotten goes on where its rows are, and repeats nothing', async () => {
  const runId = await orphan({
    plan: { type: 'sequence', steps: [agentNamed('writer'), agentNamed('writer')] },
  });
  const done = await opened(repositories, anOpening(runId, { address: '1' }));
  await repositories.agentRuns.close(LOCAL_TENANT_ID, aClosing(done, 'stored before'));
  await opened(repositories, anOpening(runId, { address: '2' }));
  await reconcile(options(), NEVER);
  const result = await team.client.result(runId);
  expect(result).toMatchObject({ status: 'completed', output: 'written' });
  expect(result.agents.map(({ address, attempts }) => [address, attempts])).toEqual([
    ['1', 1],
    ['2', 2],
  ]);
  expect(executed.filter((id) => id === runId)).toHaveLength(1);
  await expect(team.client.output(runId, '1')).resolves.toBe('stored before');
});

test('many reconcilers at once make one run of each row', async () => {
  const runIds = await Promise.all(Array.from({ length: 8 }, () => orphan()));
  await Promise.all(Array.from({ length: 8 }, () => reconcile(options(), NEVER)));
  const results = await Promise.all(runIds.map((runId) => team.client.result(runId)));
  expect(results.map(({ status }) => status)).toEqual(runIds.map(() => 'completed'));
  for (const runId of runIds) expect(executed.filter((id) => id === runId)).toHaveLength(1);
});

test('150 healthy runs do not keep the 151st from being started', async () => {
  const healthy = await Promise.all(Array.from({ length: 150 }, () => orphan()));
  const start = { taskQueue: 'nobody', workflowExecutionTimeout: '1 minute' };
  await Promise.all(
    healthy.map((runId) => team.temporal.workflow.start('teamRun', { ...start, workflowId: `run-${runId}` })),
  );
  const runId = await orphan();
  const before = log.lines.length;
  await reconcile(options(), NEVER);
  await reconcile(options(), NEVER);
  await expect(team.client.result(runId)).resolves.toMatchObject({ status: 'completed' });
  expect(log.lines.slice(before)).toMatchObject([{ runId, msg: 'a run without a workflow was started' }]);
  await asAdmin(
    team,
    `update ensemble.runs set status = 'cancelled', ended_at = now()
    where id in ('${healthy.join("','")}')`,
  );
});

describe('when something is down', () => {
  const until = async (done: () => boolean): Promise<void> => {
    for (const since = Date.now(); !done(); await new Promise((resolve) => setTimeout(resolve, 20)))
      if (Date.now() - since > 15_000) throw new Error('It did not happen in time');
  };
  const errors = () => log.lines.filter(({ level }) => level === 50).map(({ msg }) => msg);

  test('Temporal: it is said, nothing is passed over, and a later tick goes on', async () => {
    await using proxy = await cuttableProxy(team.environment['TEMPORAL_ADDRESS'] ?? '');
    const temporal: Client = await connectClient(temporalTarget({ TEMPORAL_ADDRESS: proxy.address }));
    proxy.cut();
    const runId = await orphan();
    const already = errors().length;
    const reconciler = startReconciler(options({ temporal, intervalMs: 50 }));
    const stopped = startReconciler(options({ temporal, intervalMs: 10 }));
    await until(() => errors().length > already);
    await stopped[Symbol.asyncDispose]();
    expect(errors().at(-1)).toMatch(/could not be reconciled/);
    proxy.mend();
    await expect(team.client.result(runId)).resolves.toMatchObject({ status: 'completed' });
    await reconciler[Symbol.asyncDispose]();
    await temporal.connection.close();
  });

  test('PostgreSQL, and one run that cannot be read: the others have their turn', async () => {
    const broken = await orphan();
    await asAdmin(team, `update ensemble.runs set plan = '{"type": "unheard of"}' where id = '${broken}'`);
    const runId = await orphan();
    const { system } = repositories;
    let failures = 0;
    const failingOnce: Repositories = {
      ...repositories,
      system: {
        ...system,
        takeUnfinished: (turn) => {
          failures += 1;
          return failures === 1 ? Promise.reject(new Error('gone')) : system.takeUnfinished(turn);
        },
      },
    };
    await using _reconciler = startReconciler(options({ repositories: failingOnce, intervalMs: 50 }));
    await expect(team.client.result(runId)).resolves.toMatchObject({ status: 'completed' });
    expect(log.lines).toContainEqual(
      expect.objectContaining({ msg: 'a run could not be reconciled', runId: broken }),
    );
    await asAdmin(
      team,
      `update ensemble.runs set status = 'cancelled', ended_at = now() where id = '${broken}'`,
    );
  });
});

test('runs of every tenant are looked after, each tenant told of its own', async () => {
  const tenantId = await repositories.tenants.create('another');
  const projectId = await repositories.projects.create(tenantId, 'theirs');
  const { runId } = await repositories.runs.create(tenantId, aRun({ runId: uuidv7(), projectId }));
  const ours = await orphan({ projectId: DEFAULT_PROJECT_ID });
  await reconcile(options(), NEVER);
  await handle(runId).result();
  await handle(ours).result();
  expect(await repositories.runs.find(tenantId, runId)).toMatchObject({ status: 'completed' });
  expect(await audited(runId)).toMatchObject([{ tenant_id: tenantId }]);
  expect(await audited(ours)).toMatchObject([{ tenant_id: LOCAL_TENANT_ID }]);
});

test('a worker brings a reconciler with it', async () => {
  const { client, runId } = unattended;
  await expect(client.result(runId)).resolves.toMatchObject({ status: 'completed' });
});
