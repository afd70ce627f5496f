import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';

/** A command under way, and everything it has said. */
export class Command {
  stdout = '';
  stderr = '';
  private readonly closed: Promise<unknown>;

  constructor(readonly child: ChildProcess) {
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.stdout += text));
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
    this.closed = once(child, 'close');
  }

  /** Waits until the command has said something that matches. */
  async says(pattern: RegExp, timeoutMs = 60_000): Promise<RegExpMatchArray> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const match = pattern.exec(this.stdout) ?? pattern.exec(this.stderr);
      if (match !== null) return match;
      if (Date.now() > deadline || this.child.exitCode !== null)
        throw new Error(`Nothing matched ${pattern} in:\n${this.stdout}\n${this.stderr}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async exit(): Promise<number | null> {
    await this.closed;
    return this.child.exitCode;
  }

  lastLine(): string {
    return this.stdout.trimEnd().split('\n').at(-1) ?? '';
  }
}

export interface StartCommand {
  readonly dataDir: string;
  readonly args?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
}

/** Runs `npm start`'s script with servers and data of its own. */
export function npmStart({ dataDir, args = [], environment = {} }: StartCommand): Command {
  const inherited = Object.entries(process.env).filter(
    ([name]) => !/^(ENSEMBLE_|DATABASE_|TEMPORAL_|OPENAI_|ANTHROPIC_|NODE_OPTIONS|JEST)/.test(name),
  );
  const env = { ...Object.fromEntries(inherited), ENSEMBLE_DATA_DIR: dataDir, ...environment };
  return new Command(
    spawn(process.execPath, ['scripts/start.js', ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] }),
  );
}

/** Processes whose command line or environment names the folder. */
export function processesOf(folder: string): string[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name) && name !== String(process.pid));
  return pids.filter(
    (pid) => read(`/proc/${pid}/cmdline`).includes(folder) || read(`/proc/${pid}/environ`).includes(folder),
  );
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
