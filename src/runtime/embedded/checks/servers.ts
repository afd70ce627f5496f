import { existsSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { Client } from 'pg';
import type { Config, Environment } from '../../../config';
import { layoutOf } from '../data-dir';
import { codeOf, messageOf } from '../errors';
import { postgresBinaries, type PostgresBinaries } from '../postgres-binaries';
import { findOnPath, isExecutable, outputOf } from '../programs';
import { findGo } from '../temporal-build';
import { cachedTemporal, isRecentEnough, serverVersionOf, TEMPORAL_CLI_VERSION } from '../temporal-binary';
import { unprivilegedUser } from '../unprivileged';
import type { Finding } from './finding';

const ANSWER_MS = 5_000;

/** What the servers are looked for with. */
export interface ServersSought {
  readonly config: Config;
  readonly environment: Environment;
  readonly dataDir: string;
}

/** Looks at where Temporal and PostgreSQL would come from, without starting or fetching anything. */
export async function serverFindings(sought: ServersSought): Promise<readonly Finding[]> {
  const go = await goFinding(sought.environment);
  return [go, await temporalFinding(sought, go.status === 'ok'), await postgresFinding(sought)];
}

async function goFinding(environment: Environment): Promise<Finding> {
  const go = findGo(environment);
  const version = go === null ? null : await outputOf(go, ['version']);
  if (version !== null) return { status: 'ok', name: 'go', what: `${version.trim()} (${go})` };
  const todo = 'needed only where the Temporal CLI is neither there nor can be downloaded';
  return { status: 'warn', name: 'go', what: 'not found', todo };
}

async function temporalFinding(sought: ServersSought, hasGo: boolean): Promise<Finding> {
  const { config, environment } = sought;
  const name = 'temporal';
  const address = environment['TEMPORAL_ADDRESS'];
  if (address) return externalTemporal(address);
  const onPath = findOnPath('temporal', environment);
  const candidates = [...(onPath === null ? [] : [onPath]), cachedTemporal(config.ENSEMBLE_CACHE_DIR)];
  for (const binary of candidates.filter(isExecutable)) {
    const version = await serverVersionOf(binary);
    if (version !== null && isRecentEnough(version)) {
      return { status: 'ok', name, what: `server ${version} (${binary})` };
    }
  }
  const todo = hasGo
    ? 'npm start downloads it, or builds it with Go (about 4 minutes, once)'
    : 'npm start downloads it; without internet install Go 1.24 or later, or put it on the PATH';
  return { status: 'warn', name, what: `no CLI ${TEMPORAL_CLI_VERSION} yet`, todo };
}

async function externalTemporal(address: string): Promise<Finding> {
  const name = 'temporal';
  const { hostname, port } = new URL(`tcp://${address}`);
  const answers = await new Promise<boolean>((resolve) => {
    const socket = connect({ host: hostname, port: Number(port || 7233), timeout: ANSWER_MS });
    const finish = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', () => finish(true)).once('timeout', () => finish(false));
    socket.once('error', () => finish(false));
  });
  if (answers) return { status: 'ok', name, what: `yours on ${address} answers` };
  return {
    status: 'FAIL',
    name,
    what: `nothing answers on ${address}`,
    todo: 'start it, or correct TEMPORAL_ADDRESS',
  };
}

async function postgresFinding(sought: ServersSought): Promise<Finding> {
  const { config, environment, dataDir } = sought;
  const name = 'postgresql';
  if (config.DATABASE_URL !== undefined) return externalPostgres(config.DATABASE_URL);
  const wanted = clusterMajor(dataDir);
  const options = {
    environment,
    cacheDir: config.ENSEMBLE_CACHE_DIR,
    user: unprivilegedUser(),
    announce: () => {},
  };
  const found: PostgresBinaries[] = [];
  for await (const binaries of postgresBinaries(options)) {
    const { version, folder } = binaries;
    if (wanted === null || binaries.major === wanted)
      return { status: 'ok', name, what: `${version} (${folder})` };
    found.push(binaries);
  }
  if (wanted === null) {
    return {
      status: 'FAIL',
      name,
      what: 'none',
      todo: 'install PostgreSQL 15 or later, or set DATABASE_URL',
    };
  }
  const what = `the data was made by ${wanted}, here is ${found.map(({ version }) => version).join(', ') || 'none'}`;
  return { status: 'FAIL', name, what, todo: `install PostgreSQL ${wanted}, or npm run reset` };
}

async function externalPostgres(databaseUrl: string): Promise<Finding> {
  const name = 'postgresql';
  const { host } = new URL(databaseUrl);
  const client = new Client({ connectionString: databaseUrl, connectionTimeoutMillis: ANSWER_MS });
  client.on('error', () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query<{ server_version: string }>('show server_version');
    return {
      status: 'ok',
      name,
      what: `yours on ${host} answers, version ${rows[0]?.server_version ?? 'unknown'}`,
    };
  } catch (error) {
    const reason = messageOf(error) || codeOf(error) || 'no answer';
    const todo =
      'correct DATABASE_URL; a new role is made by the first migration (npm start with DATABASE_ADMIN_URL)';
    return { status: 'FAIL', name, what: `yours on ${host}: ${reason}`, todo };
  } finally {
    await client.end().catch(() => undefined);
  }
}

function clusterMajor(dataDir: string): number | null {
  const { cluster, elsewhere } = layoutOf(dataDir);
  const file = [join(elsewhere, 'postgres', 'PG_VERSION'), join(cluster, 'PG_VERSION')].find((path) =>
    existsSync(path),
  );
  return file === undefined ? null : Number.parseInt(readFileSync(file, 'utf8'), 10);
}
