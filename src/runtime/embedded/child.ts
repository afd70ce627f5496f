import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, renameSync, statSync, writeSync } from 'node:fs';
import { markOf, type ProcessMark } from './processes';
import type { Credentials } from './unprivileged';

/** How a server of ours is started and stopped. */
export interface ChildSpec {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Both outputs go to this file: a pipe would break the child when its owner is killed. */
  readonly logFile: string;
  readonly user: Credentials | null;
  /** Asked first; the child also gets it from the system when its owner is killed, where the system can. */
  readonly stopSignal: 'SIGINT' | 'SIGTERM';
  readonly graceMs: number;
}

/** A running child. */
export interface Child {
  readonly mark: ProcessMark;
  readonly exited: Promise<void>;
  hasExited(): boolean;
  /** Null while it runs, and when a signal ended it. */
  exitCode(): number | null;
  stop(): Promise<void>;
}

const LOG_MAX_BYTES = 10 * 1024 * 1024;
const KILL_WAIT_MS = 5_000;
const STARTED = '--- started';

/** Starts a child in a group of its own, so that a terminal's Ctrl-C reaches us and not the child before us. */
export async function spawnChild(spec: ChildSpec): Promise<Child> {
  const log = openLog(spec.logFile);
  const { command, args, user } = withDeathSignal(spec);
  try {
    const child = spawn(command, args, {
      detached: true,
      stdio: ['ignore', log, log],
      env: spec.env,
      cwd: '/',
      ...user,
    });
    await new Promise<void>((resolve, reject) => child.once('spawn', resolve).once('error', reject));
    return running(child, spec);
  } finally {
    closeSync(log);
  }
}

/** The last lines of a child's log since its latest start, for an error understood without opening it. */
export function lastLines(logFile: string, count = 4): string {
  try {
    const latest = readFileSync(logFile, 'utf8').split(STARTED).at(-1) ?? '';
    return latest.trim().split('\n').slice(1).slice(-count).join(' | ').slice(-1_000);
  } catch {
    return '';
  }
}

function running(child: ChildProcess, spec: ChildSpec): Child {
  const pid = child.pid ?? -1;
  const mark = markOf(pid) ?? { pid, born: 'gone' };
  let gone = child.exitCode !== null || child.signalCode !== null;
  const exited = new Promise<void>((resolve) => {
    const finish = () => {
      gone = true;
      alive.delete(child);
      resolve();
    };
    if (gone) finish();
    else child.once('exit', finish);
  });
  if (!gone) alive.set(child, spec.stopSignal);
  let stopping: Promise<void> | undefined;
  return {
    mark,
    exited,
    hasExited: () => gone,
    exitCode: () => child.exitCode,
    stop: () => (stopping ??= stopGroup(child, exited, spec)),
  };
}

async function stopGroup(child: ChildProcess, exited: Promise<void>, spec: ChildSpec): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill(spec.stopSignal);
  if (await settledWithin(exited, spec.graceMs)) return;
  try {
    process.kill(-(child.pid ?? 0), 'SIGKILL');
  } catch {
    child.kill('SIGKILL');
  }
  await settledWithin(exited, KILL_WAIT_MS);
}

async function settledWithin(promise: Promise<void>, timeoutMs: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), timeoutMs);
  });
  const settled = await Promise.race([promise.then(() => true as const), timeout]);
  clearTimeout(timer);
  return settled;
}

// A last resort for an owner that ends without stopping them; the system's own death signal covers a killed one.
const alive = new Map<ChildProcess, NodeJS.Signals>();
process.once('exit', () => {
  for (const [child, signal] of alive) child.kill(signal);
});

let deathSignals: boolean | undefined;

function withDeathSignal(spec: ChildSpec): {
  command: string;
  args: string[];
  user: Credentials | undefined;
} {
  const plain = { command: spec.command, args: [...spec.args], user: spec.user ?? undefined };
  deathSignals ??=
    process.platform === 'linux' &&
    spawnSync('setpriv', ['--pdeathsig', 'TERM', '--', 'true'], { stdio: 'ignore' }).status === 0;
  if (!deathSignals) return plain;
  // The kernel forgets a death signal when the user changes, so the same program does both, in the right order.
  const user = spec.user
    ? ['--reuid', String(spec.user.uid), '--regid', String(spec.user.gid), '--clear-groups']
    : [];
  const signal = ['--pdeathsig', spec.stopSignal.replace('SIG', '')];
  return {
    command: 'setpriv',
    args: [...user, ...signal, '--', spec.command, ...spec.args],
    user: undefined,
  };
}

function openLog(logFile: string): number {
  if (existsSync(logFile) && statSync(logFile).size > LOG_MAX_BYTES) renameSync(logFile, `${logFile}.1`);
  const log = openSync(logFile, 'a', 0o600);
  writeSync(log, `${STARTED} ${new Date().toISOString()}\n`);
  return log;
}
