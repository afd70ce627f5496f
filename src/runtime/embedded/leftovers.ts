import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Announce } from './announce';
import type { DataLayout } from './data-dir';
import { readLock } from './lock';
import { argumentsOf, markOf, stopMarked, type ProcessMark } from './processes';

export type ServerName = 'temporal' | 'postgresql';

// PostgreSQL calls this its fast shutdown; Temporal stops by it too.
const STOP_SIGNAL = 'SIGINT';
const GRACE_MS = 10_000;

/** Remembers a server, so that a later start can stop it when this process is killed. */
export function rememberChild(layout: DataLayout, name: ServerName, mark: ProcessMark): void {
  const path = join(layout.children, `${name}.json`);
  writeFileSync(path, `${JSON.stringify({ ...mark, dataDir: layout.root })}\n`, { mode: 0o600 });
}

/** Forgets a server that has been stopped. */
export function forgetChild(layout: DataLayout, name: ServerName): void {
  rmSync(join(layout.children, `${name}.json`), { force: true });
}

/** Stops what a killed owner of this data folder left running; only processes that are proven to be its own are signalled. */
export async function stopLeftovers(layout: DataLayout, announce: Announce): Promise<readonly number[]> {
  const found = new Map<number, ProcessMark>();
  for (const mark of [...remembered(layout), ...postmasters(layout)]) found.set(mark.pid, mark);
  const stopped = await Promise.all(
    [...found.values()].map(async (mark) =>
      (await stopMarked(mark, STOP_SIGNAL, GRACE_MS)) ? [mark.pid] : [],
    ),
  );
  for (const pid of stopped.flat())
    announce(`  leftover     stopped pid ${pid} of an earlier start that was killed`);
  for (const name of filesIn(layout.children)) rmSync(join(layout.children, name), { force: true });
  return stopped.flat();
}

function remembered(layout: DataLayout): ProcessMark[] {
  return filesIn(layout.children).flatMap((name) => {
    const record = readLock(join(layout.children, name));
    return record !== null && record['dataDir'] === layout.root
      ? [{ pid: record.pid, born: record.born }]
      : [];
  });
}

// PostgreSQL writes its own pid file; the pid is believed only when that process really serves this very folder.
function postmasters(layout: DataLayout): ProcessMark[] {
  return [layout.cluster, join(layout.elsewhere, 'postgres')].flatMap((cluster) => {
    const pid = pidIn(join(cluster, 'postmaster.pid'));
    const args = argumentsOf(pid);
    const mark = args[args.indexOf('-D') + 1] === cluster ? markOf(pid) : null;
    return mark === null ? [] : [mark];
  });
}

function pidIn(path: string): number {
  try {
    return Number.parseInt(readFileSync(path, 'utf8'), 10);
  } catch {
    return Number.NaN;
  }
}

function filesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
