import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Environment } from '../../config';
import { AppError } from '../../protocol/failures';
import { stepAnnouncer, type Announce } from './announce';
import { releaseLock, tryLock } from './lock';
import { findOnPath, isExecutable, outputOf } from './programs';
import { buildTemporal } from './temporal-build';
import { downloadTemporal, TEMPORAL_DOWNLOADS } from './temporal-download';

/** The release that is downloaded or built; later tags carry a `replace` and cannot be built by `go install`. */
export const TEMPORAL_CLI_VERSION = 'v1.5.1';

// The first server whose behaviour this product is measured and tested against.
const LEAST_SERVER = [1, 29] as const;
const WAIT_MS = 1_000;
const WAITS_PER_LINE = 15;

/** What finding the Temporal CLI needs. */
export interface TemporalBinaryOptions {
  readonly cacheDir: string;
  readonly environment: Environment;
  readonly announce: Announce;
  readonly signal?: AbortSignal | undefined;
  /** Where the official releases are; a test puts its own server here. */
  readonly downloads?: string;
}

/** Where the CLI is cached, outside any checkout. */
export function cachedTemporal(cacheDir: string): string {
  return join(cacheDir, 'bin', 'temporal');
}

/** Finds the Temporal CLI: on the PATH, in the cache, by download, or by building it from source; in this order. */
export async function findTemporal(options: TemporalBinaryOptions): Promise<string> {
  const onPath = await usableOnPath(options);
  if (onPath !== null) return onPath;
  const target = cachedTemporal(options.cacheDir);
  return isExecutable(target) ? target : obtain(target, options);
}

/** The server inside a Temporal CLI, such as 1.29.1; null where the file is not one. */
export async function serverVersionOf(binary: string): Promise<string | null> {
  const shown = await outputOf(binary, ['--version']);
  return /Server (\d+\.\d+\.\d+)/.exec(shown ?? '')?.[1] ?? null;
}

async function usableOnPath(options: TemporalBinaryOptions): Promise<string | null> {
  const binary = findOnPath('temporal', options.environment);
  if (binary === null) return null;
  const version = await serverVersionOf(binary);
  if (version !== null && isRecentEnough(version)) return binary;
  const reason = version === null ? 'does not tell its version' : `holds server ${version}`;
  options.announce(
    `  temporal     ${binary} ${reason}; ${LEAST_SERVER.join('.')} or later is needed, looking on`,
  );
  return null;
}

/** True for a server of the versions this product works with. */
export function isRecentEnough(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > LEAST_SERVER[0] || (major === LEAST_SERVER[0] && minor >= LEAST_SERVER[1]);
}

// Two starts at once must not both spend minutes on the same binary: the second waits for the first.
async function obtain(target: string, options: TemporalBinaryOptions): Promise<string> {
  const say = stepAnnouncer(options.announce, 'temporal');
  const lock = `${target}.lock`;
  mkdirSync(dirname(target), { recursive: true });
  for (let waits = 0; ; waits += 1) {
    const holder = await tryLock(lock);
    if (holder === null) break;
    if (waits % WAITS_PER_LINE === 0) say(`waiting for pid ${holder.pid}, which is getting the Temporal CLI`);
    await sleep(WAIT_MS, undefined, options.signal ? { signal: options.signal } : {});
  }
  try {
    return isExecutable(target) ? target : await downloadOrBuild(target, { ...options, announce: say });
  } finally {
    releaseLock(lock);
  }
}

function there(target: string, announce: Announce): string {
  announce(`the CLI is in ${target}, for every later start`);
  return target;
}

async function downloadOrBuild(target: string, options: TemporalBinaryOptions): Promise<string> {
  const { announce, environment, signal } = options;
  const job = { target, version: TEMPORAL_CLI_VERSION, announce, environment, signal };
  const notDownloaded = await downloadTemporal(job, options.downloads ?? TEMPORAL_DOWNLOADS);
  if (notDownloaded === null) return there(target, announce);
  announce(`no download: ${notDownloaded}`);
  const notBuilt = await buildTemporal(job);
  if (notBuilt === null) return there(target, announce);
  throw new AppError(
    'TEMPORAL_UNAVAILABLE',
    `No Temporal server: download failed (${notDownloaded}), build failed (${notBuilt}). Put the temporal CLI on the PATH, or install Go 1.24 or later, or set TEMPORAL_ADDRESS to a running server`,
  );
}
