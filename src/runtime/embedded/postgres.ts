import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Environment } from '../../config';
import { Client } from 'pg';
import { AppError } from '../../protocol/failures';
import { stepAnnouncer, whileAnnouncing, type Announce } from './announce';
import { lastLines, spawnChild, type Child } from './child';
import type { DataLayout } from './data-dir';
import { codeOf, messageOf } from './errors';
import { choosePort } from './ports';
import type { PostgresBinaries } from './postgres-binaries';
import {
  ADMIN_ROLE,
  APPLICATION_ROLE,
  binariesFor,
  DATABASE,
  locateCluster,
  makeCluster,
  secretsOf,
  type Secrets,
} from './postgres-cluster';
import { pathOf } from './programs';
import { unprivilegedUser, type Credentials } from './unprivileged';

/** What a start of the embedded PostgreSQL needs. */
export interface PostgresOptions {
  readonly layout: DataLayout;
  readonly cacheDir: string;
  readonly environment: Environment;
  readonly announce: Announce;
  readonly ports: 'preferred' | 'any';
  readonly source: 'any' | 'packaged';
  readonly signal: AbortSignal | undefined;
  /** Called as soon as there is a process, before it is ready. */
  readonly onChild: (child: Child) => void;
}

/** The embedded PostgreSQL, its database there and empty until somebody migrates it. */
export interface RunningPostgres {
  readonly databaseUrl: string;
  readonly databaseAdminUrl: string;
  readonly child: Child;
}

interface Server {
  readonly binaries: PostgresBinaries;
  readonly cluster: string;
  readonly user: Credentials | null;
  readonly env: Readonly<Record<string, string>>;
  readonly logFile: string;
  readonly secrets: Secrets;
}

// Not 5432: a PostgreSQL of the user's own is usually there, and the two should not be mistaken for each other.
const PORT = 54_329;
const ATTEMPTS = 5;
const READY_MS = 300_000;
const SAY_EVERY_MS = 15_000;
const POLL_MS = 40;
const GRACE_MS = 15_000;

// Durable although embedded: a run must survive the machine's crash, so neither of the first two is ever off.
const SETTINGS = [
  'fsync=on',
  'synchronous_commit=on',
  'max_connections=200',
  'listen_addresses=127.0.0.1',
  'unix_socket_directories=',
  'password_encryption=scram-sha-256',
  'logging_collector=off',
  'timezone=UTC',
  'log_timezone=UTC',
];

/** Starts PostgreSQL on this data folder, makes the superuser and the database, and waits until it answers. */
export async function startPostgres(options: PostgresOptions): Promise<RunningPostgres> {
  const say = stepAnnouncer(options.announce, 'postgresql');
  const server = await prepare(options, say);
  for (let attempt = 1; ; attempt += 1) {
    const { port, instead } = await choosePort(options.ports === 'any' ? 0 : PORT);
    if (instead !== null) say(`port ${instead} is taken, using ${port}`);
    const child = await spawnPostgres(server, port);
    options.onChild(child);
    const url = (role: string, password: string) =>
      `postgresql://${role}:${password}@127.0.0.1:${port}/${DATABASE}`;
    const databaseAdminUrl = url(ADMIN_ROLE, server.secrets.admin);
    const every = {
      intervalMs: SAY_EVERY_MS,
      say: () => say(`still starting: ${lastLines(server.logFile, 1)}`),
    };
    if (await whileAnnouncing(every, () => makeDatabase(databaseAdminUrl, child, options.signal))) {
      say(`ready on 127.0.0.1:${port}, version ${server.binaries.version}`);
      return { databaseUrl: url(APPLICATION_ROLE, server.secrets.application), databaseAdminUrl, child };
    }
    await child.stop();
    options.signal?.throwIfAborted();
    await retryOrThrow(attempt, server.logFile);
  }
}

async function prepare(options: PostgresOptions, say: Announce): Promise<Server> {
  const { layout, environment, cacheDir, source } = options;
  const user = unprivilegedUser();
  const cluster = locateCluster(layout, user, say);
  const binaries = await binariesFor(cluster, { environment, cacheDir, user, announce: say, source });
  const server = {
    binaries,
    cluster,
    user,
    env: { PATH: pathOf(environment), LC_ALL: 'C' },
    logFile: join(layout.logs, 'postgresql.log'),
    secrets: secretsOf(layout),
  };
  options.signal?.throwIfAborted();
  await makeCluster(server, say);
  return server;
}

function spawnPostgres(server: Server, port: number): Promise<Child> {
  const settings = [...SETTINGS, `port=${port}`].flatMap((setting) => ['-c', setting]);
  return spawnChild({
    command: join(server.binaries.folder, 'postgres'),
    args: ['-D', server.cluster, ...settings],
    env: server.env,
    logFile: server.logFile,
    user: server.user,
    // PostgreSQL's fast shutdown: sessions are cut, what is committed stays.
    stopSignal: 'SIGINT',
    graceMs: GRACE_MS,
  });
}

async function retryOrThrow(attempt: number, logFile: string): Promise<void> {
  const log = lastLines(logFile);
  // A port taken between choosing and listening; or the last processes of a killed server, which end by themselves.
  const passes = /address already in use|pre-existing shared memory block|lock file/i.test(log);
  if (!passes || attempt >= ATTEMPTS) {
    throw new AppError('DATABASE_UNAVAILABLE', `PostgreSQL did not start: ${log}; its log is ${logFile}`);
  }
  await sleep(500);
}

// Returns false when the server ended or never got ready; an error that waiting does not cure is thrown.
async function makeDatabase(
  adminUrl: string,
  child: Child,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const maintenance = adminUrl.replace(/\/[^/]*$/, '/postgres');
  const deadline = Date.now() + READY_MS;
  while (!child.hasExited() && Date.now() < deadline && signal?.aborted !== true) {
    if (await tryMakeDatabase(maintenance, child)) return true;
    await sleep(POLL_MS);
  }
  return false;
}

async function tryMakeDatabase(url: string, child: Child): Promise<boolean> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
  // The server may go while we are connected; without a listener that would end this process.
  client.on('error', () => undefined);
  try {
    await client.connect();
    const { rowCount } = await client.query('select 1 from pg_database where datname = $1', [DATABASE]);
    if (rowCount === 0) await client.query(`create database ${DATABASE}`);
    return true;
  } catch (error) {
    if (child.hasExited() || isPassing(error)) return false;
    throw new AppError('DATABASE_UNAVAILABLE', `PostgreSQL started but refused us: ${messageOf(error)}`, {
      cause: error,
    });
  } finally {
    await client.end().catch(() => undefined);
  }
}

function isPassing(error: unknown): boolean {
  const code = codeOf(error);
  // 57P03: still starting or recovering. Without a code it is the connection that broke or timed out.
  return code === undefined || code === 'ECONNREFUSED' || code === 'ECONNRESET' || code === '57P03';
}
