import { join } from 'node:path';
import type { Client } from '@temporalio/client';
import { type Activities, createActivities } from '../activities';
import type { ToolHost } from '../agents/base-agent';
import { loadAgents, type LoadedAgents, type LoadProblem } from '../agents/loader';
import { type Config, type Environment, requiredDatabaseUrl } from '../config';
import { RunNotifications } from '../db/notifications';
import { assertSafeRole, assertSchemaCurrent } from '../db/migrate';
import { createPool } from '../db/pool';
import { createRepositories } from '../db/repositories';
import { modelChooser, type Selection, selectProvider } from '../llm/factory';
import { costMicros } from '../llm/prices';
import type { Logger } from '../telemetry/log';
import { createBuses } from './buses';
import { registerAgents } from './catalogue';
import { Cleanup } from './cleanup';
import { startTokenExpiry } from './expire-tokens';
import { startReconciler } from './reconciler';
import { connectClient, temporalTarget, type TemporalTarget } from './temporal';

export interface WorkerSetup {
  readonly config: Config;
  readonly environment: Environment;
  readonly log: Logger;
  /** Instead of the built-in agents and those of ENSEMBLE_AGENTS_PATH. */
  readonly agents?: LoadedAgents;
  /** Instead of the provider that the configuration selects. */
  readonly model?: Selection;
  /** How many activities the worker runs at once, where it is not ours. */
  readonly slots?: number;
}

/** What a worker's owner should tell people. */
export interface WorkerAbout {
  readonly agents: readonly string[];
  readonly problems: readonly LoadProblem[];
  readonly model: string;
}

/** Everything of a worker but the worker: what it runs activities with, and what must be closed after it. */
export interface WorkerParts extends AsyncDisposable {
  readonly activities: Activities;
  readonly client: Client;
  readonly target: TemporalTarget;
  readonly about: WorkerAbout;
}

const BUILT_IN_AGENTS = join(__dirname, '..', 'agents');

/** Loads agents, registers them in the catalogue, takes a model provider, connects, and starts the reconciler. */
export async function createWorkerParts(setup: WorkerSetup): Promise<WorkerParts> {
  const { config, environment, log } = setup;
  await using cleanup = new Cleanup();
  const { provider, why, prices } = setup.model ?? selectProvider(config);
  log.info({ provider: provider.name, model: provider.model }, why);
  const folders = [BUILT_IN_AGENTS, ...config.ENSEMBLE_AGENTS_PATH];
  const { agents, problems } = setup.agents ?? (await loadAgents({ folders }));
  for (const { file, reason } of problems) log.warn({ file, reason }, 'an agent was not loaded');

  const databaseUrl = requiredDatabaseUrl(config);
  const pool = createPool(databaseUrl, {
    size: config.DATABASE_POOL_SIZE,
    applicationName: 'ensemble-worker',
    onError: (error) => log.warn({ err: error }, 'a database connection broke; the pool replaces it'),
  });
  cleanup.defer(() => pool.end());
  await assertSafeRole(pool);
  await assertSchemaCurrent(pool);
  const repositories = createRepositories(pool);
  await registerAgents(repositories, agents);

  const target = temporalTarget(environment);
  const client = await connectClient(target);
  cleanup.defer(() => client.connection.close());
  const { ENSEMBLE_TASK_QUEUE: taskQueue, ENSEMBLE_STARTS_PER_HISTORY: startsPerHistory } = config;
  cleanup.use(startReconciler({ repositories, temporal: client, taskQueue, startsPerHistory, log }));
  cleanup.use(startTokenExpiry({ repositories, actor: client.options.identity, log }));
  const notifications = cleanup.use(
    new RunNotifications(databaseUrl, (err) => log.warn({ err }, 'notifications broke off; made again')),
  );
  const { buses } = cleanup.use(createBuses({ repositories, notifications, target, taskQueue }));
  const owned = cleanup.move();
  return {
    activities: createActivities({
      repositories,
      buses,
      agents,
      model: provider,
      chooseModel: modelChooser(config),
      priceOf: (model, usage) => costMicros(model, usage, prices),
      client,
      log,
      host: toolHost(config),
      slots: setup.slots ?? config.ENSEMBLE_MAX_CONCURRENT_AGENTS,
    }),
    client,
    target,
    about: { agents: [...agents.keys()].toSorted(), problems, model: why },
    [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose](),
  };
}

function toolHost({
  ENSEMBLE_FILES_ROOT: filesRoot,
  ENSEMBLE_HTTP_ALLOW_HOSTS: allowHosts,
}: Config): ToolHost {
  return {
    ...(filesRoot === undefined ? {} : { filesRoot }),
    ...(allowHosts === undefined ? {} : { allowHosts }),
  };
}
