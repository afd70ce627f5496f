import { type AgentScope, agentScope } from '../agents/agent-scope';
import { failureLine, wordsOf } from '../core/failure-line';
import type { Logger } from '../telemetry/log';

const STACK_CHARS = 4_000;

/**
 * Takes the errors of this process that nobody caught: rejections without a handler, throws in timers and listeners. Node
 * would end the process, and with it the work of every other agent in it. One that an agent set going is logged, with the
 * agent's name, and the process goes on; of any other nobody knows what it has left behind, so it ends the process.
 */
export function catchStrayErrors(log: Logger, end: () => void): Disposable {
  const stray = (thrown: unknown): void => {
    const scope = agentScope();
    if (scope === undefined) {
      log.fatal({ err: thrown }, 'an error that nobody caught ends this process');
      end();
    } else log.error(told(scope, thrown), 'an agent left an error that nobody caught; the worker goes on');
  };
  process.on('uncaughtException', stray);
  process.on('unhandledRejection', stray);
  return {
    [Symbol.dispose]() {
      process.off('uncaughtException', stray);
      process.off('unhandledRejection', stray);
    },
  };
}

/** An agent's words are not to be trusted to be short, or readable, or without line breaks. */
function told(scope: AgentScope, thrown: unknown): Readonly<Record<string, unknown>> {
  return {
    ...scope,
    error: failureLine(wordsOf(thrown)),
    ...(thrown instanceof Error ? { stack: failureLine(stackOf(thrown), STACK_CHARS) } : {}),
  };
}

function stackOf(error: Error): string {
  return wordsOf({
    get message() {
      return error.stack;
    },
  });
}
