import { randomUUID } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import type { Client } from '@temporalio/client';
import { bundleWorkflowCode, DefaultLogger, type NativeConnection, Worker } from '@temporalio/worker';
import { type AgentClass, BaseAgent } from '../src/agents/base-agent';
import { createClient } from '../src/client/connect';
import type { EnsembleClient } from '../src/client/ensemble-client';
import { type Environment, loadConfig } from '../src/config';
import { migrate } from '../src/db/migrate';
import { selectProvider } from '../src/llm/factory';
import { AgentManifest } from '../src/protocol/agent';
import { AppError } from '../src/protocol/failures';
import { connectNative } from '../src/runtime/bus-worker';
import { Cleanup } from '../src/runtime/cleanup';
import { startEmbedded } from '../src/runtime/embedded';
import { TolerantWorker } from '../src/runtime/tolerant-worker';
import { clientOver, connectClient, type TemporalTarget, temporalTarget } from '../src/runtime/temporal';
import { createWorker } from '../src/runtime/worker';
import { createLogger } from '../src/telemetry/log';

/** An agent that does nothing: what is left is what an agent costs. */
class NoopAgent extends BaseAgent<string> {
  static readonly manifest = {
    name: 'noop',
    version: '1.0.0',
    description: 'Does nothing',
    output: z.string(),
  };

  execute(): Promise<string> {
    return Promise.resolve('done');
  }
}

/** Our worker and bare Temporal workers in one process, with the same options, on the same servers. */
export interface Rig extends AsyncDisposable {
  /** Over our worker's connection: starts eagerly. */
  readonly client: EnsembleClient;
  readonly temporal: Client;
  /** Over the bare workers' connection: may start eagerly there. */
  readonly eagerTemporal: Client;
  /** Of a bare worker as the SDK makes it. */
  readonly bareQueue: string;
  /** Of a bare worker of our class, which calls workflow code as ours does. */
  readonly alikeQueue: string;
  readonly databaseAdminUrl: string;
  /** Where its servers are. */
  readonly environment: Environment;
}

interface RigOptions {
  /** Beside one that does nothing. */
  readonly agents?: readonly AgentClass[];
  /** Leads to the servers to be used; without it they are fresh ones. */
  readonly given?: Environment | undefined;
}

export async function startRig(
  log: (line: string) => void,
  { agents = [], given }: RigOptions = {},
): Promise<Rig> {
  await using cleanup = new Cleanup();
  const { environment, databaseAdminUrl } =
    given === undefined ? await startServers(log, cleanup) : await givenServers(given);
  const workerConnection = await startOurs(environment, agents, cleanup);
  const target = temporalTarget(environment);
  const { bareQueue, alikeQueue, connection } = await startBare(target, cleanup);
  const temporal = await connectClient(target);
  cleanup.defer(() => temporal.connection.close());
  const client = cleanup.use(await createClient({ environment, workerConnection }));
  const owned = cleanup.move();
  return {
    client,
    temporal,
    eagerTemporal: clientOver(connection, target),
    bareQueue,
    alikeQueue,
    databaseAdminUrl,
    environment,
    [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose](),
  };
}

/** Where servers are, their database migrated, and the environment that leads to them. */
export interface BenchServers {
  readonly environment: Environment;
  readonly databaseUrl: string;
  readonly databaseAdminUrl: string;
}

/** Brings the database to this version's schema. No worker of anybody else's takes part: the queue is a new one. */
async function givenServers(given: Environment): Promise<BenchServers> {
  const { DATABASE_URL: databaseUrl, DATABASE_ADMIN_URL: databaseAdminUrl } = loadConfig(given);
  if (databaseUrl === undefined || databaseAdminUrl === undefined)
    throw new AppError('CONFIG_INVALID', 'Set DATABASE_URL and DATABASE_ADMIN_URL, of a database for trials');
  await migrate({ adminUrl: databaseAdminUrl, appUrl: databaseUrl });
  const environment = { ...given, ENSEMBLE_LOG_LEVEL: 'error', ENSEMBLE_TASK_QUEUE: newQueue('ours') };
  return { environment, databaseUrl, databaseAdminUrl };
}

function newQueue(whose: string): string {
  return `bench-${whose}-${randomUUID()}`;
}

/** Starts servers that nobody else uses, with a migrated database. */
export async function startServers(log: (line: string) => void, cleanup: Cleanup): Promise<BenchServers> {
  const dataDir = mkdtempSync(join(tmpdir(), 'ensemble-bench-'));
  // PostgreSQL runs as another user where this process is root.
  chmodSync(dataDir, 0o755);
  cleanup.defer(() => rmSync(dataDir, { recursive: true, force: true }));
  const base = { PATH: process.env['PATH'], HOME: process.env['HOME'], ENSEMBLE_LOG_LEVEL: 'error' };
  const servers = await startEmbedded({
    config: loadConfig(base),
    environment: base,
    dataDir,
    announce: log,
    ui: false,
    ports: 'any',
  });
  cleanup.defer(() => servers.stop());
  const { databaseAdminUrl, databaseUrl, temporalAddress } = servers;
  if (databaseAdminUrl === null) throw new Error('The bench wants servers of its own');
  await migrate({ adminUrl: databaseAdminUrl, appUrl: databaseUrl });
  const environment = { ...base, TEMPORAL_ADDRESS: temporalAddress, DATABASE_URL: databaseUrl };
  return { environment, databaseUrl, databaseAdminUrl };
}

/** Our worker, in this process. Gives its connection. */
export async function startOurs(
  environment: Environment,
  agents: readonly AgentClass[],
  cleanup: Cleanup,
): Promise<NativeConnection> {
  const config = loadConfig(environment);
  const loaded = [NoopAgent, ...agents].map((agentClass) => {
    const manifest = AgentManifest.parse(agentClass.manifest);
    return [manifest.name, { manifest, agentClass, file: 'bench' }] as const;
  });
  const worker = await createWorker({
    config,
    environment,
    log: createLogger({ level: 'error', format: 'json' }),
    agents: { agents: new Map(loaded), problems: [] },
    model: selectProvider({ ...config, ENSEMBLE_MODEL_PROVIDER: 'offline' }),
  });
  cleanup.use(worker);
  runUntilDisposed(worker, cleanup);
  return worker.connection;
}

async function startBare(
  target: TemporalTarget,
  cleanup: Cleanup,
): Promise<Pick<Rig, 'bareQueue' | 'alikeQueue'> & { readonly connection: NativeConnection }> {
  const connection = await connectNative(target);
  cleanup.defer(() => connection.close());
  const workflowBundle = await bundleWorkflowCode({
    workflowsPath: require.resolve('./bare-workflows'),
    logger: new DefaultLogger('ERROR'),
  });
  const options = {
    connection,
    namespace: target.namespace,
    workflowBundle,
    activities: { noop: async (input: string) => input },
    maxConcurrentActivityTaskExecutions: 100,
    maxConcurrentWorkflowTaskExecutions: 100,
  };
  const [bareQueue, alikeQueue] = [newQueue('bare'), newQueue('alike')];
  runUntilDisposed(await Worker.create({ ...options, taskQueue: bareQueue }), cleanup);
  runUntilDisposed(await TolerantWorker.create({ ...options, taskQueue: alikeQueue }), cleanup);
  return { bareQueue, alikeQueue, connection };
}

function runUntilDisposed(worker: { run(): Promise<void>; shutdown(): void }, cleanup: Cleanup): void {
  const running = worker.run();
  cleanup.defer(async () => {
    worker.shutdown();
    await running;
  });
}
