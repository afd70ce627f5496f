import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Child, spawnChild } from '../../../src/runtime/embedded/child';
import { unprivilegedUser } from '../../../src/runtime/embedded/unprivileged';

/** How each server is ended without a chance to put anything in order; for PostgreSQL that is its immediate shutdown. */
const END = { temporal: 'SIGKILL', postgresql: 'SIGQUIT' } as const;
const ATTEMPTS = 20;

export interface RunningServer {
  readonly name: keyof typeof END;
  readonly pid: number;
  readonly logFile: string;
}

/** Ends a server at once and starts it again with the very same arguments: same ports, same data. */
export async function crashAndRestart(server: RunningServer, downMs: number): Promise<Child> {
  const { name, pid, logFile } = server;
  const [command = '', ...args] = partsOf(pid, 'cmdline');
  const env = Object.fromEntries(
    partsOf(pid, 'environ').map((line) => [
      line.slice(0, line.indexOf('=')),
      line.slice(line.indexOf('=') + 1),
    ]),
  );
  const user = name === 'postgresql' ? unprivilegedUser() : null;
  process.kill(pid, END[name]);
  while (isThere(pid)) await sleep(20);
  await sleep(downMs);
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    const child = await spawnChild({
      command,
      args,
      env,
      logFile,
      user,
      stopSignal: 'SIGINT',
      graceMs: 10_000,
    });
    await sleep(500);
    // The last processes of the old server may hold its memory or its port for a moment.
    if (!child.hasExited()) return child;
  }
  throw new Error(`${name} does not come back; its log is ${logFile}`);
}

/** Which server a process is. */
export function nameOf(pid: number): RunningServer['name'] {
  return partsOf(pid, 'cmdline').includes('start-dev') ? 'temporal' : 'postgresql';
}

function partsOf(pid: number, file: 'cmdline' | 'environ'): string[] {
  return readFileSync(`/proc/${pid}/${file}`, 'utf8').split('\0').filter(Boolean);
}

function isThere(pid: number): boolean {
  try {
    // A process that has ended stays as a zombie until its parent has looked; it serves nobody any more.
    return !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ');
  } catch {
    return false;
  }
}
