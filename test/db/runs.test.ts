import { uuidv7 } from 'uuidv7';
import { LOCAL_TENANT_ID } from '../../src/protocol/run';
import { useDatabase } from './support/database';
import {
  acceptedRun,
  aClosing,
  aModelCall,
  aDecision,
  anEnd,
  anOpening,
  aRun,
  aSettlement,
  opened,
  plot,
  story,
  USAGE,
} from './support/samples';

describe('runs', () => {
  const database = useDatabase();

  test('an accepted run is queued, as it was asked for, and its story begins', async () => {
    const { runs } = database.repositories;
    const asked = aRun({ idempotencyKey: 'k-1', accepted: { agents: 1 } });
    await expect(runs.create(LOCAL_TENANT_ID, asked)).resolves.toEqual({
      runId: asked.runId,
      created: true,
      status: 'queued',
    });
    const { accepted, runId, ...kept } = asked;
    expect(await runs.find(LOCAL_TENANT_ID, runId)).toMatchObject({
      ...kept,
      id: runId,
      tenantId: LOCAL_TENANT_ID,
      status: 'queued',
      result: null,
      failure: null,
      degraded: [],
      usage: null,
      lastEventSeq: 1,
      startedAt: null,
      endedAt: null,
    });
    expect(await story(database.repositories, runId)).toMatchObject([
      { seq: 1, key: 'run.accepted', type: 'run.accepted', data: accepted },
    ]);
  });

  test('50 requests at once with one idempotency key make one run and get one answer', async () => {
    const { runs } = database.repositories;
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => runs.create(LOCAL_TENANT_ID, aRun({ idempotencyKey: 'k-50' }))),
    );
    expect(new Set(answers.map(({ runId }) => runId)).size).toBe(1);
    expect(answers.filter(({ created }) => created)).toHaveLength(1);
    const { rows } = await database.admin.query("select from ensemble.runs where idempotency_key = 'k-50'");
    expect(rows).toHaveLength(1);
    expect(await plot(database.repositories, answers[0]?.runId ?? '')).toEqual(['run.accepted']);
  });

  test('another request under a used idempotency key is refused, also among 50 at once', async () => {
    const { runs } = database.repositories;
    const answers = await Promise.allSettled(
      Array.from({ length: 50 }, (_, index) =>
        runs.create(LOCAL_TENANT_ID, aRun({ idempotencyKey: 'k-mixed', requestHash: `hash-${index % 2}` })),
      ),
    );
    const refused = answers.filter((answer) => answer.status === 'rejected');
    expect(refused).toHaveLength(25);
    for (const { reason } of refused) expect(reason).toMatchObject({ code: 'IDEMPOTENCY_CONFLICT' });
  });

  test('the same run sent twice without a key is one run', async () => {
    const { runs } = database.repositories;
    const asked = aRun();
    const first = await runs.create(LOCAL_TENANT_ID, asked);
    const second = await runs.create(LOCAL_TENANT_ID, asked);
    expect([first.created, second]).toEqual([true, { ...first, created: false }]);
    await expect(runs.create(LOCAL_TENANT_ID, { ...asked, requestHash: 'x' })).rejects.toMatchObject({
      code: 'IDEMPOTENCY_CONFLICT',
    });
  });

  test('a run in a project that does not exist is refused', async () => {
    const unknown = aRun({ projectId: uuidv7() });
    await expect(database.repositories.runs.create(LOCAL_TENANT_ID, unknown)).rejects.toMatchObject({
      code: 'PROJECT_UNKNOWN',
    });
  });

  test('a finished run keeps its end, and finishing it again changes nothing', async () => {
    const { repositories } = database;
    const runId = await acceptedRun(repositories);
    const attempt = await opened(repositories, anOpening(runId));
    await repositories.modelCalls.record(LOCAL_TENANT_ID, aModelCall(attempt));
    await repositories.agentRuns.close(LOCAL_TENANT_ID, aClosing(attempt));
    const degraded = [
      { address: '1', agent: 'editor', code: 'AGENT_FAILED', message: 'no', instead: 'skipped' },
    ] as const;
    const end = anEnd(runId, { degraded, events: [aDecision('last')] });
    await expect(repositories.runs.finish(LOCAL_TENANT_ID, end)).resolves.toEqual({
      outcome: 'finished',
      status: 'completed',
    });
    const finished = await repositories.runs.find(LOCAL_TENANT_ID, runId);
    expect(finished).toMatchObject({
      status: 'completed',
      result: { inline: 'final' },
      degraded,
      usage: USAGE,
    });
    expect(finished?.endedAt).toEqual(expect.any(String));
    const again = anEnd(runId, { status: 'failed', failure: { code: 'RUN_FAILED', message: 'x' } });
    await expect(repositories.runs.finish(LOCAL_TENANT_ID, again)).resolves.toEqual({
      outcome: 'already',
      status: 'completed',
    });
    expect(await repositories.runs.find(LOCAL_TENANT_ID, runId)).toEqual(finished);
    expect(await plot(repositories, runId)).toEqual([
      'run.accepted',
      'run.started',
      'agent.started',
      'agent.completed',
      'step.decided',
      'run.completed',
    ]);
  });

  test('finishing a run cancels what is still open, whose attempt then writes nothing', async () => {
    const { repositories } = database;
    const runId = await acceptedRun(repositories);
    const attempt = await opened(repositories, anOpening(runId));
    const failure = { code: 'RUN_CANCELLED', message: 'cancelled by the caller' } as const;
    await repositories.runs.finish(
      LOCAL_TENANT_ID,
      anEnd(runId, { status: 'cancelled', result: null, failure }),
    );
    await expect(repositories.agentRuns.close(LOCAL_TENANT_ID, aClosing(attempt))).resolves.toMatchObject({
      outcome: 'already',
      status: 'cancelled',
      result: null,
      failure: { code: 'RUN_CANCELLED' },
    });
    const told = await story(repositories, runId);
    expect(told.slice(-2)).toMatchObject([
      { type: 'agent.failed', key: 'agent:0:failed', data: { status: 'cancelled', code: 'RUN_CANCELLED' } },
      { type: 'run.cancelled', data: failure },
    ]);
  });

  test('nothing is opened, settled or told after the end, but what was told may be told again', async () => {
    const { repositories } = database;
    const { agentRuns, events } = repositories;
    const runId = await acceptedRun(repositories);
    await events.append(LOCAL_TENANT_ID, runId, [aDecision('before')]);
    await repositories.runs.finish(LOCAL_TENANT_ID, anEnd(runId));
    const before = await story(repositories, runId);
    const final = { outcome: 'run-final', status: 'completed' };
    await expect(agentRuns.open(LOCAL_TENANT_ID, anOpening(runId))).resolves.toEqual(final);
    await expect(agentRuns.settle(LOCAL_TENANT_ID, aSettlement(runId))).resolves.toEqual(final);
    await expect(events.append(LOCAL_TENANT_ID, runId, [aDecision('after')])).rejects.toMatchObject({
      code: 'RUN_FINAL',
    });
    await expect(events.append(LOCAL_TENANT_ID, runId, [aDecision('before')])).resolves.toBe(0);
    expect(await story(repositories, runId)).toEqual(before);
  });

  test('of finishers and openers at once, one finishes, and no agent run stays open', async () => {
    const { repositories } = database;
    for (let round = 0; round < 10; round += 1) {
      const runId = await acceptedRun(repositories);
      const openings = Array.from({ length: 12 }, (_, index) =>
        repositories.agentRuns.open(LOCAL_TENANT_ID, anOpening(runId, { address: `${index}` })),
      );
      const ends = (['completed', 'failed', 'cancelled', 'completed'] as const).map((status) =>
        repositories.runs.finish(LOCAL_TENANT_ID, anEnd(runId, { status })),
      );
      await Promise.all(openings);
      const outcomes = await Promise.all(ends);
      expect(outcomes.filter(({ outcome }) => outcome === 'finished')).toHaveLength(1);
      expect(new Set(outcomes.map(({ status }) => status)).size).toBe(1);
      const agentRuns = await repositories.agentRuns.listByRun(LOCAL_TENANT_ID, runId);
      expect(agentRuns.filter(({ status }) => status !== 'cancelled')).toEqual([]);
      const types = await plot(repositories, runId);
      expect(types.filter((type) => type.startsWith('run.')).slice(-1)).toEqual(types.slice(-1));
      expect(types.filter((type) => type === 'agent.failed')).toHaveLength(agentRuns.length);
    }
  });

  test('runs are listed newest first, page by page', async () => {
    const { repositories } = database;
    const { runs } = repositories;
    const projectId = await repositories.projects.create(LOCAL_TENANT_ID, 'listed');
    const ids: string[] = [];
    for (let index = 0; index < 5; index += 1)
      ids.push((await runs.create(LOCAL_TENANT_ID, aRun({ projectId }))).runId);
    const newestFirst = ids.toReversed();
    const first = await runs.list(LOCAL_TENANT_ID, { projectId, limit: 3 });
    expect(first.map(({ id }) => id)).toEqual(newestFirst.slice(0, 3));
    const rest = await runs.list(LOCAL_TENANT_ID, { projectId, limit: 3, beforeRunId: first[2]?.id });
    expect(rest.map(({ id }) => id)).toEqual(newestFirst.slice(3));
    expect(first[0]).toMatchObject({ status: 'queued', task: { inline: 'write a haiku' }, endedAt: null });
  });
});
