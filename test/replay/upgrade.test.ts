import type { Client } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import type { EnsembleClient } from '../../src/client/ensemble-client';
import { createClient } from '../../src/client/connect';
import { loadConfig } from '../../src/config';
import { workflowIdOf } from '../../src/core/ids';
import type { Step } from '../../src/protocol/plan';
import { bundleWorkflows } from '../../src/runtime/bundle';
import { Cleanup } from '../../src/runtime/cleanup';
import { dataConverter } from '../../src/runtime/data-converter';
import { connectClient, temporalTarget } from '../../src/runtime/temporal';
import { TolerantWorker } from '../../src/runtime/tolerant-worker';
import { createWorkerParts } from '../../src/runtime/worker-parts';
import { createLogger } from '../../src/telemetry/log';
import { createTestDatabase } from '../db/support/database';
import { agentsOf, anAgent } from '../support/agents';
import { scriptedModel } from '../support/scripted-model';
import { quietRuntime } from './support/quiet-runtime';

beforeAll(quietRuntime);

const gates = new Map<string, () => void>();
const begun: string[] = [];
const agents = [
  anAgent('first', () => 'first'),
  anAgent('held', async (_task, { runId }) => {
    begun.push(runId);
    await new Promise<void>((open) => gates.set(runId, open));
    return 'held';
  }),
  anAgent('recall', (task) => task.previous.map(({ address, agent }) => `${address} ${agent}`)),
];
const plan: Step = {
  type: 'sequence',
  steps: ['first', 'held', 'recall'].map((agent) => ({
    type: 'agent',
    agent,
    retry: { maxAttempts: 4, initialIntervalMs: 20 },
  })),
};

let owned: Cleanup;
let client: EnsembleClient;
let temporal: Client;
let environment: Readonly<Record<string, string>>;
beforeAll(async () => {
  owned = new Cleanup();
  const { appUrl } = owned.use(await createTestDatabase());
  environment = {
    TEMPORAL_ADDRESS: process.env['ENSEMBLE_TEST_TEMPORAL_ADDRESS'] ?? '',
    DATABASE_URL: appUrl,
    ENSEMBLE_TASK_QUEUE: `upgrade-${crypto.randomUUID()}`,
  };
  temporal = await connectClient(temporalTarget(environment));
  owned.defer(() => temporal.connection.close());
  client = owned.use(await createClient({ environment }));
});
afterAll(() => owned[Symbol.asyncDispose]());

/** A worker over the given workflow code, as an old or a new release has it. */
async function worker(code: string): Promise<AsyncDisposable> {
  await using cleanup = new Cleanup();
  const config = loadConfig(environment);
  const log = createLogger({ level: 'silent', format: 'json' });
  const model = { provider: scriptedModel(), why: 'given by the test' };
  const loaded = { agents: agentsOf(agents), problems: [] };
  const parts = cleanup.use(await createWorkerParts({ config, environment, log, agents: loaded, model }));
  const connection = await NativeConnection.connect({ address: environment['TEMPORAL_ADDRESS'] ?? '' });
  cleanup.defer(() => connection.close());
  const running = await TolerantWorker.create({
    connection,
    namespace: temporalTarget(environment).namespace,
    taskQueue: config.ENSEMBLE_TASK_QUEUE,
    workflowBundle: { code },
    activities: parts.activities,
    dataConverter,
    shutdownGraceTime: 100,
  });
  const ended = running.run();
  cleanup.defer(async () => {
    running.shutdown();
    await ended;
  });
  return cleanup.move();
}

async function patchesIn(runId: string): Promise<number> {
  const { events } = await temporal.workflow.getHandle(workflowIdOf(runId)).fetchHistory();
  return (events ?? []).filter(
    ({ markerRecordedEventAttributes: marker }) => marker?.markerName === 'core_patch',
  ).length;
}

test('a run that an old release began is finished by the new one, each along its own code', async () => {
  const [old, next] = [
    await bundleWorkflows(),
    await bundleWorkflows(require.resolve('./support/patched-workflows')),
  ];
  let runId = '';
  {
    await using _old = await worker(old);
    runId = (await client.start({ task: 'Outlive', plan })).runId;
    while (!begun.includes(runId)) await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await using _next = await worker(next);
  while (begun.filter((one) => one === runId).length < 2)
    await new Promise((resolve) => setTimeout(resolve, 20));
  gates.get(runId)?.();
  const result = await client.result(runId);
  expect(result).toMatchObject({ status: 'completed', output: ['1 first', '2 held'] });
  expect(await patchesIn(runId)).toBe(0);

  const { runId: younger } = await client.start({ task: 'Be new', plan: { type: 'agent', agent: 'first' } });
  expect(await client.result(younger)).toMatchObject({ status: 'completed' });
  expect(await patchesIn(younger)).toBe(1);
}, 120_000);
