import { join } from 'node:path';
import type { Client } from '@temporalio/client';
import type { Pool } from 'pg';
import { createClient } from '../../../src/client/connect';
import type { EnsembleClient, StartedRun } from '../../../src/client/ensemble-client';
import type { RunRequestInput } from '../../../src/protocol/run';
import { Cleanup } from '../../../src/runtime/cleanup';
import { connectClient, temporalTarget } from '../../../src/runtime/temporal';
import { aPool, createTestDatabase } from '../../db/support/database';
import { type ProviderServer, startProviderServer } from '../provider-server/server';
import { temporaryFolder } from '../team';
import { Ledger } from './ledger';
import { WorkerProcess, type WorkerProcessOptions } from './worker-process';

/** Where runs are disturbed: servers, the ledgers outside of them, and a client. */
export interface Stage extends AsyncDisposable {
  readonly client: EnsembleClient;
  readonly temporal: Client;
  readonly admin: Pool;
  /** The workers' own. */
  readonly databaseUrl: string;
  readonly ledger: Ledger;
  readonly provider: ProviderServer;
  /** Where its servers are, for whoever joins by himself. */
  readonly environment: Readonly<Record<string, string>>;
  /** A process that serves no queue yet. */
  worker(options?: Partial<WorkerProcessOptions>): WorkerProcess;
  start(queue: string, request: RunRequestInput): Promise<StartedRun>;
}

/** The servers to work on; those of the test run, unless a test has its own. */
export interface StageServers {
  readonly temporalAddress: string;
  readonly databaseUrl: string;
  readonly databaseAdminUrl: string;
}

/** A numberless sentence: the gate takes it into its report as it is. */
const SUMMARY = 'The change was looked at from every side, and the verdict follows from the findings.';

/** Sets the stage with a database of its own. */
export async function setStage(): Promise<Stage> {
  await using cleanup = new Cleanup();
  const { appUrl, adminUrl } = cleanup.use(await createTestDatabase());
  const temporalAddress = process.env['ENSEMBLE_TEST_TEMPORAL_ADDRESS'] ?? '';
  const stage = await stageOn({ temporalAddress, databaseUrl: appUrl, databaseAdminUrl: adminUrl });
  cleanup.use(stage);
  const owned = cleanup.move();
  return { ...stage, [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose]() };
}

/** Sets the stage on servers whose database is migrated. */
export async function stageOn(servers: StageServers): Promise<Stage> {
  await using cleanup = new Cleanup();
  const folder = temporaryFolder('ensemble-kills');
  cleanup.defer(() => folder[Symbol.dispose]());
  const ledger = new Ledger(join(folder.path, 'ledger'));
  const provider = cleanup.use(await startProviderServer({ script: () => ({ text: SUMMARY }) }));
  const environment = {
    TEMPORAL_ADDRESS: servers.temporalAddress,
    DATABASE_URL: servers.databaseUrl,
    DATABASE_POOL_SIZE: '3',
    OPENAI_BASE_URL: provider.openAiUrl,
    ENSEMBLE_MODEL: 'scripted',
    ENSEMBLE_SHUTDOWN_GRACE_MS: '1000',
    ENSEMBLE_LOG_LEVEL: process.env['ENSEMBLE_TEST_LOG_LEVEL'] ?? 'error',
  };
  const client = cleanup.use(await createClient({ environment }));
  const temporal = await connectClient(temporalTarget(environment));
  cleanup.defer(() => temporal.connection.close());
  const admin = aPool(servers.databaseAdminUrl);
  cleanup.defer(() => admin.end());
  const owned = cleanup.move();
  return {
    client,
    temporal,
    databaseUrl: servers.databaseUrl,
    admin,
    ledger,
    provider,
    environment,
    worker: ({ environment: more, ...options } = {}) =>
      owned.use(
        WorkerProcess.start({ ledger: ledger.file, ...options, environment: { ...environment, ...more } }),
      ),
    start: async (queue, request) => {
      await using starter = await createClient({
        environment: { ...environment, ENSEMBLE_TASK_QUEUE: queue },
      });
      return await starter.start(request);
    },
    [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose](),
  };
}
