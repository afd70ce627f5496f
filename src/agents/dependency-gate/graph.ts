import { z } from 'zod';
import type { AgentManifestInput } from '../../protocol/agent';
import { AppError } from '../../protocol/failures';
import { LIMITS } from '../../protocol/limits';
import { type AgentContext, type AgentTask, BaseAgent } from '../base-agent';
import { isDevelopmentOnly, type LockSide } from '../tools/lockfile/diff';
import { readHead } from './analysis';
import { PathQuestion, type PathReply } from './path-talk';

/** Its slot may be the one that whoever asks is waiting for. */
const PATIENCE_MS = 60_000;

const GraphReport = z.strictObject({
  /** Requests for a path that it answered. */
  answered: z.int().nonnegative(),
});
type GraphReport = z.infer<typeof GraphReport>;

/** Tells members of the run by which path a package came in, until it has answered as many as they said they would ask. */
export class Graph extends BaseAgent<GraphReport> {
  static readonly manifest: AgentManifestInput = {
    name: 'graph',
    version: '1.0.0',
    description: 'Answers over the message bus by which dependency path a package of the lock came in',
    agentType: 'custom',
    capabilities: ['dependency-path'],
    output: GraphReport,
  };

  async execute(task: AgentTask, context: AgentContext): Promise<GraphReport> {
    const { bus } = context;
    const answered = new Set<string>();
    let side: LockSide | undefined;
    let expected: number | undefined;
    while (expected === undefined || answered.size < expected) {
      const messages = await bus.receiveMany(LIMITS.mailboxMessages, { timeoutMs: PATIENCE_MS });
      if (messages.length === 0)
        throw new AppError('MESSAGE_TIMEOUT', `nobody has asked for a path for ${PATIENCE_MS} ms`);
      const replies: Promise<string>[] = [];
      for (const message of messages) {
        const question = PathQuestion.safeParse(message.content).data;
        if (question === undefined) continue;
        expected = question.of;
        if (!('finding' in question)) continue;
        // Read for the first question, before anything is on its way.
        side ??= await readHead(task, context);
        answered.add(question.finding);
        replies.push(bus.respond(message, pathIn(side, question.location)));
      }
      await Promise.all(replies);
    }
    return { answered: answered.size };
  }
}

function pathIn(side: LockSide, location: string): PathReply {
  const node = side.graph.byLocation.get(location);
  return node === undefined
    ? null
    : { path: [...side.paths.pathTo(node)], dev: isDevelopmentOnly(side, node) };
}
