import { type ChildProcess, execFile, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Cleanup } from '../src/runtime/cleanup';
import type { Environment } from '../src/config';

const SAMPLE_MS = 2_000;
const PARTS = 8;

/** Forks a worker that can be told to collect its garbage; resolves once it has said something. */
export async function startCollecting(
  program: string,
  env: Environment,
  cleanup: Cleanup,
): Promise<ChildProcess> {
  const execArgv = ['--expose-gc', '--require', join(__dirname, 'collecting-worker.js')];
  const worker = fork(program, [], { env, execArgv, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  cleanup.defer(async () => {
    if (worker.exitCode !== null || worker.signalCode !== null) return;
    worker.kill('SIGTERM');
    await once(worker, 'exit');
  });
  await once(worker, 'message');
  return worker;
}

/** How fast a worker's memory grows, and what it has come to. */
export interface Growth {
  readonly mbPerMinute: number;
  readonly lastMb: number;
}

/**
 * Least squares over the least of each eighth of the worker's resident memory, each time after its own garbage is
 * collected: that of the SDK's workflow thread comes and goes by V8's leisure.
 */
export async function growthOf(worker: ChildProcess, ms: number): Promise<Growth> {
  await residentMb(worker);
  const lows: { minutes: number; mb: number }[] = [];
  for (let part = 0; part < PARTS; part += 1) {
    const low = { minutes: (part * ms) / PARTS / 60_000, mb: Infinity };
    for (const since = performance.now(); performance.now() - since < ms / PARTS; await sleep(SAMPLE_MS))
      low.mb = Math.min(low.mb, await residentMb(worker));
    lows.push(low);
  }
  const mean = (of: (low: (typeof lows)[number]) => number): number =>
    lows.reduce((sum, low) => sum + of(low), 0) / lows.length;
  const [minutes, mb] = [mean((low) => low.minutes), mean((low) => low.mb)];
  const mbPerMinute =
    mean((low) => (low.minutes - minutes) * (low.mb - mb)) / mean((low) => (low.minutes - minutes) ** 2);
  return { mbPerMinute, lastMb: lows.at(-1)?.mb ?? Number.NaN };
}

const run = promisify(execFile);

async function residentMb(worker: ChildProcess): Promise<number> {
  worker.send('collect');
  await once(worker, 'message');
  const { stdout } = await run('ps', ['-o', 'rss=', '-p', String(worker.pid)]);
  return Number(stdout.trim()) / 1024;
}
