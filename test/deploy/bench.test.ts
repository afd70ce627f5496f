import { startRig } from '../../bench/rig';
import { createTestDatabase } from '../db/support/database';

test('the benchmarks run on servers that are there: ours and a bare workflow, and no queue that anybody serves', async () => {
  await using database = await createTestDatabase();
  const given = {
    TEMPORAL_ADDRESS: process.env['ENSEMBLE_TEST_TEMPORAL_ADDRESS'],
    DATABASE_URL: database.appUrl,
    DATABASE_ADMIN_URL: database.adminUrl,
  };
  const said: string[] = [];
  await using rig = await startRig((line) => said.push(line), { given });
  const { runId, workflowId } = await rig.client.start({
    task: 'bench',
    plan: { strategy: 'sequential', agents: ['noop', 'noop'] },
  });
  await expect(rig.client.result(runId)).resolves.toMatchObject({ status: 'completed', output: 'done' });
  const { taskQueue } = await rig.temporal.workflow.getHandle(workflowId).describe();
  expect(taskQueue).toMatch(/^bench-ours-/);
  for (const queue of [rig.bareQueue, rig.alikeQueue]) {
    expect(queue).toMatch(/^bench-/);
    const bare = { workflowId: `bare-${crypto.randomUUID()}`, taskQueue: queue, args: [2] };
    await rig.temporal.workflow.execute('bareSequence', bare);
  }
  // Nothing was started for it.
  expect(said).toEqual([]);
}, 120_000);
