import { chmodSync, createWriteStream, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Environment } from '../../config';
import { whileAnnouncing, type Announce } from './announce';
import { messageOf } from './errors';
import { outputOf } from './programs';

/** Where Temporal publishes its CLI; the same place that its own install script reads. */
export const TEMPORAL_DOWNLOADS = 'https://temporal.download/cli/archive';

const ANSWER_MS = 5_000;
const DOWNLOAD_MS = 300_000;
const SAY_EVERY_MS = 15_000;

/** One attempt to get the Temporal CLI to a place. */
export interface TemporalJob {
  readonly target: string;
  readonly version: string;
  readonly announce: Announce;
  readonly environment: Environment;
  readonly signal: AbortSignal | undefined;
}

/** Downloads the official CLI; returns why it could not be had, or null when it is there. */
export async function downloadTemporal(job: TemporalJob, downloads: string): Promise<string | null> {
  const url = urlFor(downloads, job.version);
  job.announce(`downloading the official CLI ${job.version} from ${new URL(url).host}`);
  const workDir = mkdtempSync(join(dirname(job.target), '.download-'));
  const every = { intervalMs: SAY_EVERY_MS, say: () => job.announce('still downloading') };
  try {
    return await whileAnnouncing(every, () => fetchInto(job, url, workDir));
  } catch (error) {
    job.signal?.throwIfAborted();
    return reasonOf(error);
  } finally {
    rmSync(workDir, { recursive: true, force: true });
  }
}

async function fetchInto(job: TemporalJob, url: string, workDir: string): Promise<string | null> {
  const archive = join(workDir, 'temporal.tar.gz');
  const refused = await save(url, archive, job.signal);
  if (refused !== null) return refused;
  if ((await outputOf('tar', ['-xzf', archive, '-C', workDir])) === null) {
    return 'what came is not the expected archive';
  }
  const binary = join(workDir, 'temporal');
  return install(binary, job.target);
}

/** Puts a binary that runs in its place in one step, so that nobody ever starts half a file. */
export async function install(binary: string, target: string): Promise<string | null> {
  try {
    chmodSync(binary, 0o755);
  } catch {
    return 'no temporal program came of it';
  }
  if ((await outputOf(binary, ['--version'])) === null) return 'the temporal program does not run here';
  renameSync(binary, target);
  return null;
}

async function save(url: string, archive: string, signal: AbortSignal | undefined): Promise<string | null> {
  // The first bytes must come soon: without internet beyond the registries this is only a detour.
  const answered = new AbortController();
  const timer = setTimeout(() => answered.abort(new Error('no answer in 5 s')), ANSWER_MS);
  const limits = AbortSignal.any([
    answered.signal,
    AbortSignal.timeout(DOWNLOAD_MS),
    ...(signal ? [signal] : []),
  ]);
  try {
    const response = await fetch(url, { signal: limits });
    clearTimeout(timer);
    if (!response.ok || response.body === null) return `the server answered ${response.status}`;
    await pipeline(Readable.fromWeb(response.body), createWriteStream(archive), { signal: limits });
    return null;
  } finally {
    clearTimeout(timer);
  }
}

function urlFor(downloads: string, version: string): string {
  const arch = process.arch === 'x64' ? 'amd64' : process.arch;
  return `${downloads}/${version}?platform=${process.platform}&arch=${arch}`;
}

function reasonOf(error: unknown): string {
  // fetch says only that it failed; why is in its cause.
  const cause = typeof error === 'object' && error !== null && 'cause' in error ? error.cause : undefined;
  return messageOf(cause ?? error);
}
