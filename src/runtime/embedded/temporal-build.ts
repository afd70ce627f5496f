import { mkdtempSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Environment } from '../../config';
import { whileAnnouncing } from './announce';
import { lastLines, spawnChild } from './child';
import { findOnPath, isExecutable, pathOf } from './programs';
import { install, type TemporalJob } from './temporal-download';

const SOURCE = 'github.com/temporalio/cli/cmd/temporal';
const SAY_EVERY_MS = 15_000;
const USUAL_GO = '/usr/local/go/bin/go';

/** Where Go is, its usual place included; null without one. */
export function findGo(environment: Environment): string | null {
  return findOnPath('go', environment) ?? (isExecutable(USUAL_GO) ? USUAL_GO : null);
}

/** Builds the CLI with the local Go toolchain; returns why that failed, or null when it is there. */
export async function buildTemporal(job: TemporalJob): Promise<string | null> {
  const go = findGo(job.environment);
  if (go === null) return 'there is no Go here';
  job.announce(`building the CLI ${job.version} from source with ${go}: about 4 minutes, once`);
  const workDir = mkdtempSync(join(dirname(job.target), '.build-'));
  const every = { intervalMs: SAY_EVERY_MS, say: () => job.announce('still building') };
  try {
    const failed = await whileAnnouncing(every, () => goInstall(job, go, workDir));
    return failed ?? (await install(join(workDir, 'temporal'), job.target));
  } finally {
    rmSync(workDir, { recursive: true, force: true });
  }
}

async function goInstall(job: TemporalJob, go: string, workDir: string): Promise<string | null> {
  const logFile = join(workDir, 'build.log');
  const path = `${dirname(go)}:${pathOf(job.environment)}`;
  const child = await spawnChild({
    command: go,
    args: ['install', `${SOURCE}@${job.version}`],
    env: { ...job.environment, PATH: path, GOBIN: workDir },
    logFile,
    user: null,
    stopSignal: 'SIGINT',
    graceMs: 5_000,
  });
  const stop = () => void child.stop();
  job.signal?.addEventListener('abort', stop, { once: true });
  await child.exited;
  job.signal?.removeEventListener('abort', stop);
  job.signal?.throwIfAborted();
  if (isExecutable(join(workDir, 'temporal'))) return null;
  return `go install: ${lastLines(logFile) || 'no output'}`;
}
