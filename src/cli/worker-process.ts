import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Environment } from '../config';
import { AppError, isFailureCode } from '../protocol/failures';
import { ALLOCATOR } from './allocator';
import type { WorkerMessage } from './worker';

const ENTRY = join(__dirname, '..', '..', 'worker.js');
const READY_WITHIN_MS = 60_000;
const KILL_AFTER_MS = 20_000;
const RESTART_AFTER_MS = 500;

export type Ready = Extract<WorkerMessage, { type: 'ready' }>;

export interface WorkerProcessOptions {
  readonly environment: Environment;
  /** Its log lines go here, so that the terminal belongs to the run. */
  readonly logFile: string;
  readonly announce: (line: string) => void;
}

/** A worker in a process of its own: it can die without the servers, and is replaced when it does. */
export class WorkerProcess {
  private stopping = false;

  private constructor(
    private readonly options: WorkerProcessOptions,
    private child: ChildProcess,
    readonly ready: Ready,
  ) {
    this.superviseCurrent();
  }

  /** Forks a worker and waits until it polls. Throws what the worker itself reported when it could not start. */
  static async start(options: WorkerProcessOptions): Promise<WorkerProcess> {
    const child = forkWorker(options);
    return new WorkerProcess(options, child, await readiness(child, options.logFile));
  }

  get pid(): number | undefined {
    return this.child.pid;
  }

  async stop(): Promise<void> {
    this.stopping = true;
    if (ended(this.child)) return;
    const exited = once(this.child, 'exit');
    this.child.kill('SIGTERM');
    const forced = setTimeout(() => this.child.kill('SIGKILL'), KILL_AFTER_MS);
    await exited;
    clearTimeout(forced);
  }

  private superviseCurrent(): void {
    const { pid } = this.child;
    this.child.once('exit', (code, signal) => {
      if (this.stopping) return;
      this.options.announce(
        `  worker       process ${pid} died (${signal ?? `exit code ${code}`}); starting another`,
      );
      void this.replace();
    });
  }

  private async replace(): Promise<void> {
    while (!this.stopping) {
      await sleep(RESTART_AFTER_MS);
      if (this.stopping) return;
      this.child = forkWorker(this.options);
      try {
        await readiness(this.child, this.options.logFile);
        this.options.announce(`  worker       process ${this.child.pid} polls instead`);
        return this.superviseCurrent();
      } catch (error) {
        this.options.announce(
          `  worker       could not be started: ${error instanceof Error ? error.message : String(error)}`,
        );
      }
    }
  }
}

function forkWorker({ environment, logFile }: WorkerProcessOptions): ChildProcess {
  const log = openSync(logFile, 'a');
  try {
    return fork(ENTRY, [], {
      env: { ...ALLOCATOR, ...environment, ENSEMBLE_LOG_FORMAT: 'json' },
      stdio: ['ignore', log, log, 'ipc'],
      // A terminal's Ctrl-C must reach the owner alone: it stops the worker in its turn.
      detached: true,
    });
  } finally {
    closeSync(log);
  }
}

async function readiness(child: ChildProcess, logFile: string): Promise<Ready> {
  try {
    return await new Promise((resolve, reject) => {
      const refuse = (code: string, message: string): void =>
        reject(new AppError(isFailureCode(code) ? code : 'INTERNAL', message));
      const timer = setTimeout(
        () => refuse('INTERNAL', `The worker was not ready in time; see ${logFile}`),
        READY_WITHIN_MS,
      );
      child.once('message', (message: WorkerMessage) => {
        clearTimeout(timer);
        if (message.type === 'ready') resolve(message);
        else refuse(message.code, message.message);
      });
      child.once('exit', (code, signal) => {
        clearTimeout(timer);
        refuse('INTERNAL', `The worker ended (${signal ?? code}) before it was ready; see ${logFile}`);
      });
    });
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  }
}

function ended(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}
