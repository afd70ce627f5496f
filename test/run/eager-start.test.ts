import type { NativeConnection } from '@temporalio/worker';
import { createClient } from '../../src/client/connect';
import type { EnsembleClient } from '../../src/client/ensemble-client';
import { connectNative } from '../../src/runtime/bus-worker';
import { temporalTarget } from '../../src/runtime/temporal';
import { anAgent } from '../support/agents';
import { cuttableProxy } from '../support/cuttable-proxy';
import { isEager as isEagerIn } from '../support/kills/history';
import { startTeam, type Team } from '../support/team';

let team: Team;
beforeAll(async () => {
  team = await startTeam([anAgent('echo', (task) => task.text)]);
});
afterAll(() => team[Symbol.asyncDispose]());

const request = { task: 'Begin', plan: { strategy: 'sequential' as const, agents: ['echo'] } };

const isEager = (runId: string) => isEagerIn(team.temporal, runId);

async function completes(client: EnsembleClient, runId: string): Promise<void> {
  expect(await client.result(runId)).toMatchObject({ status: 'completed', output: 'Begin' });
}

describe('a client in the process of a worker', () => {
  test('starts runs that begin there at once; one of another process does not', async () => {
    await using client = await createClient(team);
    const { runId } = await client.start(request);
    await completes(client, runId);
    expect(await isEager(runId)).toBe(true);

    const elsewhere = await team.client.start(request);
    await completes(team.client, elsewhere.runId);
    expect(await isEager(elsewhere.runId)).toBe(false);
  });

  test('finds room for the first task of every run in a burst', async () => {
    await using client = await createClient(team);
    const started = await Promise.all(Array.from({ length: 60 }, () => client.start(request)));
    const eager = await Promise.all(
      started.map(async ({ runId }) => {
        await completes(client, runId);
        return isEager(runId);
      }),
    );
    expect(eager.filter(Boolean)).toHaveLength(60);
  });

  test('starts one run under one key, however many start it, from both sides', async () => {
    await using client = await createClient(team);
    const keyed = { ...request, idempotencyKey: 'one' };
    const started = await Promise.all(
      Array.from({ length: 50 }, (_, index) => (index % 2 === 0 ? client : team.client).start(keyed)),
    );
    const [{ runId } = { runId: '' }] = started;
    expect(new Set(started.map((one) => one.runId))).toEqual(new Set([runId]));
    expect(started.filter(({ created }) => created)).toHaveLength(1);
    await completes(client, runId);
    expect(await client.start(keyed)).toMatchObject({ runId, created: false });
  });

  test('starts runs as everywhere once its worker and the connection are gone', async () => {
    const workerConnection = await connectNative(temporalTarget(team.environment));
    await using client = await createClient({ environment: team.environment, workerConnection });
    await workerConnection.close();
    const { runId } = await client.start(request);
    await completes(client, runId);
    expect(await isEager(runId)).toBe(false);
  });

  test('starts runs as everywhere where its worker serves another queue', async () => {
    await using client = await createClient({
      environment: { ...team.environment, ENSEMBLE_TASK_QUEUE: `other-${crypto.randomUUID()}` },
      workerConnection: team.workerConnection,
    });
    const { runId } = await client.start(request);
    expect(await isEager(runId)).toBe(false);
    await client.cancel(runId);
  });

  test('is refused where its connection is no worker\u2019s', async () => {
    const workerConnection = team.temporal.connection as unknown as NativeConnection;
    const { environment } = team;
    await expect(createClient({ environment, workerConnection })).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringMatching(/workerConnection must be the NativeConnection/),
    });
  });

  // The SDK goes on trying for 25 seconds.
  test('says so where Temporal is away, and what was accepted is started later', async () => {
    await using proxy = await cuttableProxy(team.environment['TEMPORAL_ADDRESS'] ?? '');
    const environment = { ...team.environment, TEMPORAL_ADDRESS: proxy.address };
    const workerConnection = await connectNative(temporalTarget(environment));
    await using client = await createClient({ environment, workerConnection });
    proxy.cut();
    const keyed = { ...request, idempotencyKey: 'away' };
    await expect(client.start(keyed)).rejects.toMatchObject({ code: 'TEMPORAL_UNAVAILABLE' });
    proxy.mend();
    const { runId } = await client.start(keyed);
    await completes(client, runId);
    await workerConnection.close();
  }, 60_000);
});
