import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import type { Environment } from '../src/config';

/** A part of a benchmark in a process of its own, which answers one question after the other. */
export class Part implements AsyncDisposable {
  private readonly gone: Promise<unknown>;

  private constructor(private readonly child: ChildProcess) {
    this.gone = once(child, 'exit');
  }

  /** Resolves once the program has begun with what it is given; `program` is a file that calls `servePart`. */
  static async start(
    program: string,
    environment: Environment,
    given: Readonly<Record<string, unknown>>,
  ): Promise<Part> {
    const part = new Part(
      fork(program, [], { env: environment, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] }),
    );
    await part.ask(given);
    return part;
  }

  /** Throws where the process has ended without an answer. */
  async ask(question: string | object): Promise<unknown> {
    const answered = once(this.child, 'message');
    this.child.send(question);
    const answer = await Promise.race([answered, this.gone.then(() => undefined)]);
    if (answer === undefined) throw new Error('A part of the benchmark ended before its time');
    return answer[0];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.kill('SIGTERM');
    await this.gone;
  }
}

/** In the process of a part: begins with the first thing that it is told, and answers everything after. */
export function servePart(begin: (given: unknown) => Promise<(question: unknown) => Promise<unknown>>): void {
  let answering: Promise<(question: unknown) => Promise<unknown>> | undefined;
  const answer = async (message: unknown): Promise<unknown> => {
    if (answering !== undefined) return await (await answering)(message);
    answering = begin(message);
    await answering;
    return undefined;
  };
  process.on('message', (message) => {
    answer(message).then(
      (said) => process.send?.(said ?? null),
      (error: unknown) => {
        process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
        process.exit(1);
      },
    );
  });
  process.once('disconnect', () => process.exit(0));
}
