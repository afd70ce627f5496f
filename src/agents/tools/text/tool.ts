import { z } from 'zod';
import { AppError } from '../../../protocol/failures';
import type { Json, JsonObject } from '../../../protocol/json';
import type { ToolCall, ToolDeclaration } from '../../../llm/port';
import type { AgentContext, AgentTask } from '../../base-agent';

/** What a tool may touch: what its agent may. */
export interface ToolScope {
  readonly task: AgentTask;
  readonly context: AgentContext;
}

/** A tool a model can call. It only reads and computes; tools with effects need the effect ledger. */
export interface Tool {
  readonly name: string;
  readonly description: string;
  readonly arguments: z.ZodType;
  /** Throws an AppError whose message tells the model what to do better. */
  run(given: unknown, scope: ToolScope): Promise<Json>;
}

/** What became of one tool call, as the model and the transcript see it. */
export interface ToolOutcome {
  readonly call: ToolCall;
  readonly text: string;
  readonly failed: boolean;
}

const MOST_RESULT_CHARS = 8_000;

/** Makes a tool of a schema and a function over what the schema parses. */
export function defineTool<A extends z.ZodType>(tool: {
  readonly name: string;
  readonly description: string;
  readonly arguments: A;
  readonly run: (given: z.output<A>, scope: ToolScope) => Json | Promise<Json>;
}): Tool {
  return {
    ...tool,
    async run(given, scope) {
      const parsed = tool.arguments.safeParse(given);
      if (parsed.success) return tool.run(parsed.data, scope);
      const issues = parsed.error.issues.map(
        ({ path, message }) => `${path.join('.') || 'arguments'}: ${message}`,
      );
      throw new AppError('INPUT_INVALID', `wrong arguments: ${issues.join('; ')}`);
    },
  };
}

/** A tool as a model is told of it. */
export function declare({ name, description, arguments: given }: Tool): ToolDeclaration {
  const { $schema: _, ...parameters } = z.toJSONSchema(given, { io: 'input' });
  return { name, description, parameters: parameters as unknown as JsonObject };
}

/**
 * Makes a call that a model asked for. What goes wrong becomes a result that the model can learn from; only a
 * cancelled agent and a failure of the platform end it.
 */
export async function callTool(
  tools: readonly Tool[],
  call: ToolCall,
  scope: ToolScope,
): Promise<ToolOutcome> {
  const tool = tools.find(({ name }) => name === call.name);
  if (tool === undefined) {
    const known = tools.map(({ name }) => name).join(', ');
    return { call, text: `there is no tool ${call.name}; there are ${known}`, failed: true };
  }
  try {
    const result = await scope.context.tool(tool.name, async () => tool.run(call.arguments, scope));
    return { call, text: cut(typeof result === 'string' ? result : JSON.stringify(result)), failed: false };
  } catch (error) {
    scope.context.signal.throwIfAborted();
    if (!AppError.is(error) || !error.code.startsWith('INPUT_')) throw error;
    return { call, text: cut(error.message), failed: true };
  }
}

function cut(text: string): string {
  if (text.length <= MOST_RESULT_CHARS) return text;
  return `${text.slice(0, MOST_RESULT_CHARS)}\n[${text.length - MOST_RESULT_CHARS} more characters left out]`;
}
