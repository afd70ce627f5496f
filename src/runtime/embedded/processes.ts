import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** A process as it can be recognised later: a pid alone is reused, a pid with its birth is not. */
export interface ProcessMark {
  readonly pid: number;
  readonly born: string;
}

const POLL_MS = 25;

/** Says who a pid is now; null when nothing (or only a zombie) runs under it. */
export function markOf(pid: number): ProcessMark | null {
  const born = process.platform === 'linux' ? bornOnLinux(pid) : bornElsewhere(pid);
  return born === null ? null : { pid, born };
}

function bornOnLinux(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The command, in parentheses, may itself hold spaces and parentheses: the fields start after the last one.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const [state, ticks] = [fields[0], fields[19]];
    if (state === 'Z' || state === 'X' || ticks === undefined) return null;
    // Ticks count from the boot, so they say who it is only together with the boot.
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()}:${ticks}`;
  } catch {
    return null;
  }
}

function bornElsewhere(pid: number): string | null {
  try {
    const shown = execFileSync('/bin/ps', ['-o', 'state=,lstart=', '-p', String(pid)], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      env: { LC_ALL: 'C' },
    });
    const [state, ...started] = shown.trim().split(/\s+/);
    return state === undefined || state.startsWith('Z') || started.length === 0 ? null : started.join(' ');
  } catch {
    return null;
  }
}

/** This process's own mark. */
export function ownMark(): ProcessMark {
  return markOf(process.pid) ?? { pid: process.pid, born: 'unknown' };
}

/** True while the very process that was marked is alive, whoever has its pid by now. */
export function isAlive(mark: ProcessMark): boolean {
  return markOf(mark.pid)?.born === mark.born;
}

/** Sends the signal to the marked process only; returns whether there was one. */
function signalMarked(mark: ProcessMark, signal: NodeJS.Signals): boolean {
  if (!isAlive(mark)) return false;
  try {
    process.kill(mark.pid, signal);
    return true;
  } catch {
    return false;
  }
}

/** Waits until the marked process is gone; false when it still lives at the end of the time. */
async function waitUntilGone(mark: ProcessMark, timeoutMs: number): Promise<boolean> {
  const deadline = Date.now() + timeoutMs;
  while (isAlive(mark)) {
    if (Date.now() >= deadline) return false;
    await sleep(POLL_MS);
  }
  return true;
}

/** Stops a marked process: asks first, and kills it when it has not gone in time. */
export async function stopMarked(
  mark: ProcessMark,
  signal: NodeJS.Signals,
  graceMs: number,
): Promise<boolean> {
  if (!signalMarked(mark, signal)) return false;
  if (await waitUntilGone(mark, graceMs)) return true;
  signalMarked(mark, 'SIGKILL');
  return waitUntilGone(mark, 5_000);
}

/** The arguments of a process as the system shows them; empty where it does not tell. */
export function argumentsOf(pid: number): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').filter(Boolean);
  } catch {
    return [];
  }
}
