import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Client } from '@temporalio/client';
import type { NativeConnection } from '@temporalio/worker';
import type { Pool } from 'pg';
import type { AgentClass } from '../../src/agents/base-agent';
import { createClient } from '../../src/client/connect';
import type { EnsembleClient } from '../../src/client/ensemble-client';
import { loadConfig } from '../../src/config';
import type { ModelProvider } from '../../src/llm/port';
import type { PriceList } from '../../src/llm/prices';
import { Cleanup } from '../../src/runtime/cleanup';
import { createWorker } from '../../src/runtime/worker';
import { connectClient, temporalTarget } from '../../src/runtime/temporal';
import { createLogger } from '../../src/telemetry/log';
import { aPool, createTestDatabase } from '../db/support/database';
import { agentsOf } from './agents';
import { scriptedModel } from './scripted-model';

/** A worker and a client of their own database and task queue, on the real servers of this test run. */
export interface Team extends AsyncDisposable {
  readonly client: EnsembleClient;
  /** A client whose runs continue as new after so many starts. */
  clientOf(startsPerHistory: number): Promise<EnsembleClient>;
  readonly temporal: Client;
  readonly workerConnection: NativeConnection;
  readonly environment: Readonly<Record<string, string>>;
  readonly databaseAdminUrl: string;
  /** Sees every row. */
  readonly admin: Pool;
}

export interface TeamOptions {
  readonly prices?: readonly PriceList[];
  /** Of the worker, beyond where its servers are. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** Starts a worker in this process with the given agents. */
export async function startTeam(
  agents: readonly AgentClass[],
  model: ModelProvider = scriptedModel(),
  { prices, environment: more }: TeamOptions = {},
): Promise<Team> {
  await using cleanup = new Cleanup();
  const database = cleanup.use(await createTestDatabase());
  const environment = {
    TEMPORAL_ADDRESS: required('ENSEMBLE_TEST_TEMPORAL_ADDRESS'),
    DATABASE_URL: database.appUrl,
    ENSEMBLE_TASK_QUEUE: `test-${crypto.randomUUID()}`,
    ENSEMBLE_SHUTDOWN_GRACE_MS: '500',
    ENSEMBLE_LOG_LEVEL: process.env['ENSEMBLE_TEST_LOG_LEVEL'] ?? 'silent',
    ...more,
  };
  const config = loadConfig(environment);
  const log = createLogger({ level: config.ENSEMBLE_LOG_LEVEL, format: 'json' });
  const worker = cleanup.use(
    await createWorker({
      config,
      environment,
      log,
      agents: { agents: agentsOf(agents), problems: [] },
      model: { provider: model, why: 'given by the test', ...(prices === undefined ? {} : { prices }) },
    }),
  );
  const running = worker.run();
  cleanup.defer(async () => {
    worker.shutdown();
    await running;
  });
  const temporal = await connectClient(temporalTarget(environment));
  cleanup.defer(() => temporal.connection.close());
  const client = cleanup.use(await createClient({ environment }));
  const admin = aPool(database.adminUrl);
  cleanup.defer(() => admin.end());
  const owned = cleanup.move();
  return {
    client,
    clientOf: async (startsPerHistory) => {
      const pace = { ENSEMBLE_STARTS_PER_HISTORY: String(startsPerHistory) };
      return owned.use(await createClient({ environment: { ...environment, ...pace } }));
    },
    admin,
    temporal,
    workerConnection: worker.connection,
    environment,
    databaseAdminUrl: database.adminUrl,
    [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose](),
  };
}

function required(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set: run the tests with npm test`);
  return value;
}

/** A folder that goes away with its owner. */
export function temporaryFolder(prefix: string): { readonly path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), `${prefix}-`));
  // PostgreSQL runs as another user where this process is root.
  chmodSync(path, 0o755);
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}
