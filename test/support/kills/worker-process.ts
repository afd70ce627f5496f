import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { RunRequestInput } from '../../../src/protocol/run';

const PROGRAM = join(__dirname, '..', 'killable-worker.js');

/** Where a worker ends or stops itself: the nth time that it reaches the point. */
export interface Strike {
  readonly point: string;
  readonly nth: number;
  readonly signal: 'SIGKILL' | 'SIGSTOP';
  /** Only of points that lie some time after another. */
  readonly delayMs?: number;
}

export interface WorkerProcessOptions {
  readonly environment: Readonly<Record<string, string>>;
  readonly ledger: string;
  readonly strike?: Strike;
  /** Options of Temporal's SDK that the product does not offer. */
  readonly sdk?: Readonly<Record<string, unknown>>;
}

/** A real process that serves task queues; killed at the end, whatever became of it. */
export class WorkerProcess implements AsyncDisposable {
  private said = '';
  private readonly gone: Promise<unknown>;

  private constructor(readonly child: ChildProcess) {
    this.gone = once(child, 'exit');
    for (const stream of [child.stdout, child.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => (this.said += text));
  }

  static start({ environment, ...rest }: WorkerProcessOptions): WorkerProcess {
    const { PATH, HOME } = process.env;
    const env = { PATH, HOME, ...environment, KILLABLE: JSON.stringify(rest) };
    return new WorkerProcess(
      // Not the runner's own flags: they ask for a memory and modules that are of no use here.
      fork(PROGRAM, [], { env, execArgv: [], stdio: ['ignore', 'pipe', 'pipe', 'ipc'] }),
    );
  }

  get pid(): number {
    return this.child.pid ?? -1;
  }

  /** What it has written, for a failure's message. */
  get output(): string {
    return this.said;
  }

  hasEnded(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  /** Polls one more queue from now on. */
  async serve(queue: string): Promise<void> {
    const serving = new Promise<void>((resolve) => {
      const onMessage = (message: unknown): void => {
        if (JSON.stringify(message) !== JSON.stringify({ serving: queue })) return;
        this.child.off('message', onMessage);
        resolve();
      };
      this.child.on('message', onMessage);
    });
    this.child.send({ serve: queue });
    await Promise.race([serving, this.gone]);
    // Its first workflow task may be its last: then it has served all the same.
    if (this.child.exitCode !== null) throw new Error(`The worker ended: ${this.said}`);
  }

  /** Starts a run on a queue that it serves: it is client and worker in one. */
  start(queue: string, request: RunRequestInput): void {
    this.child.send({ start: { queue, request } });
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  async ended(): Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }> {
    await this.gone;
    return { code: this.child.exitCode, signal: this.child.signalCode };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.kill('SIGKILL');
    await this.gone;
  }
}
