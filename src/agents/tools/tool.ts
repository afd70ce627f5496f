import { z } from 'zod';
import { failureLine } from '../../core/failure-line';
import { firstChars, textOf } from '../../core/text';
import { AppError } from '../../protocol/failures';
import type { Json, JsonObject } from '../../protocol/json';
import type { ToolCall, ToolDeclaration } from '../../llm/port';
import type { AgentContext, AgentTask, Reconciled, SideEffects, ToolRun } from '../base-agent';
import { isOutcome } from './call-rules';

/** What a tool may touch: what its agent may. */
export interface ToolScope {
  readonly task: AgentTask;
  readonly context: AgentContext;
}

/** What one execution of a tool is given beside its arguments. */
export interface ToolCallScope extends ToolScope, ToolRun {}

/** What an author says of a tool. */
export interface ToolDefinition<A extends z.ZodType> {
  readonly name: string;
  /** Tells a model when to use it, and what it answers. */
  readonly description: string;
  readonly arguments: A;
  /** `none` unless told: then it only reads and computes, and may be executed again at any time. */
  readonly sideEffects?: SideEffects;
  readonly timeoutMs?: number;
  readonly resultBytes?: number;
  /** How much of the result a model is shown, in characters; 8,000 unless told. */
  readonly shownChars?: number;
  /** Throws an AppError INPUT_* or TOOL_FAILED whose message tells the model what to do better. */
  readonly run: (given: z.output<A>, scope: ToolCallScope) => Json | Promise<Json>;
  /** Finds out what became of a dangerous call whose outcome was lost in a crash. */
  readonly reconcile?: (given: z.output<A>, scope: ToolCallScope) => Promise<Reconciled>;
}

/** A tool a model can call. */
export type Tool = Omit<ToolDefinition<z.ZodType>, 'run' | 'reconcile' | 'sideEffects'> & {
  readonly sideEffects: SideEffects;
  /** The call of these arguments; throws INPUT_INVALID where they are not what the tool takes. */
  bind(given: unknown): BoundCall;
};

/** A tool with the arguments of one call. */
export interface BoundCall {
  run(scope: ToolCallScope): Promise<Json>;
  readonly reconcile?: (scope: ToolCallScope) => Promise<Reconciled>;
}

/** A call, and where in the agent's work it stands: `<turn>.<call>`. */
export interface PlacedCall {
  readonly call: ToolCall;
  readonly step: string;
}

/** What became of one tool call, as the model and the transcript see it. */
export interface ToolOutcome {
  readonly call: ToolCall;
  readonly text: string;
  readonly failed: boolean;
}

const SHOWN_CHARS = 8_000;
/** What is kept of a failure, here and in the ledger. */
const MOST_FAILURE_CHARS = 900;
const SHOWN_ISSUES = 8;

/** Makes a tool of a schema and a function over what the schema parses. */
export function defineTool<A extends z.ZodType>(definition: ToolDefinition<A>): Tool {
  const { run, reconcile, sideEffects = 'none', ...described } = definition;
  return {
    ...described,
    sideEffects,
    bind(given) {
      const parsed = definition.arguments.safeParse(given);
      if (!parsed.success) throw wrongArguments(parsed.error);
      return {
        run: async (scope) => run(parsed.data, scope),
        ...(reconcile === undefined ? {} : { reconcile: (scope) => reconcile(parsed.data, scope) }),
      };
    },
  };
}

/** A tool as a model is told of it. */
export function declare({ name, description, arguments: given }: Tool): ToolDeclaration {
  const { $schema: _, ...parameters } = z.toJSONSchema(given, { io: 'input' });
  return { name, description, parameters: parameters as unknown as JsonObject };
}

/**
 * Makes a call that a model asked for, through the ledger. What goes wrong becomes a result that the model can learn from;
 * only a stopped agent, a call of which nobody knows what became, and a failure of the platform end the agent.
 */
export async function callTool(
  tools: readonly Tool[],
  { call, step }: PlacedCall,
  scope: ToolScope,
): Promise<ToolOutcome> {
  const tool = tools.find(({ name }) => name === call.name);
  if (tool === undefined) {
    const known = tools.map(({ name }) => name).join(', ') || 'none';
    return { call, text: `there is no tool ${call.name}; there are ${known}`, failed: true };
  }
  try {
    const result = await make(tool, { call, step }, scope);
    return { call, text: cut(textOf(result), tool.shownChars), failed: false };
  } catch (error) {
    scope.context.signal.throwIfAborted();
    const told = isOutcome(error) || (AppError.is(error) && harmlesslyTooLarge(error, tool));
    if (!told) throw error;
    return { call, text: error.message, failed: true };
  }
}

function make(tool: Tool, { call, step }: PlacedCall, scope: ToolScope): Promise<Json> {
  const { name, timeoutMs, resultBytes } = tool;
  const bound = tryBind(tool, call.arguments);
  const reconcile = bound instanceof AppError ? undefined : bound.reconcile;
  return scope.context.tool(
    {
      name,
      arguments: call.arguments,
      step,
      // A call that is refused for its arguments does nothing.
      sideEffects: bound instanceof AppError ? 'none' : tool.sideEffects,
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      ...(resultBytes === undefined ? {} : { resultBytes }),
      ...(reconcile === undefined ? {} : { reconcile: (run) => reconcile({ ...scope, ...run }) }),
    },
    async (run) => {
      if (bound instanceof AppError) throw bound;
      try {
        return await bound.run({ ...scope, ...run });
      } catch (error) {
        throw isOutcome(error) ? new AppError(error.code, toldFailure(error.message)) : error;
      }
    },
  );
}

function tryBind(tool: Tool, given: unknown): BoundCall | AppError {
  try {
    return tool.bind(given);
  } catch (error) {
    if (AppError.is(error)) return error;
    throw error;
  }
}

function wrongArguments(error: z.ZodError): AppError {
  const issues = error.issues
    .slice(0, SHOWN_ISSUES)
    .map(({ path, message }) => `${path.join('.') || 'arguments'}: ${message}`);
  return new AppError('INPUT_INVALID', toldFailure(`wrong arguments: ${issues.join('; ')}`));
}

/** Nothing happened but reading, and a model can ask for less. */
function harmlesslyTooLarge({ code }: AppError, { sideEffects }: Tool): boolean {
  return code === 'TOOL_RESULT_TOO_LARGE' && sideEffects === 'none';
}

/** One line as the ledger keeps it, so that the model is told the same in every attempt. */
function toldFailure(message: string): string {
  return failureLine(message, MOST_FAILURE_CHARS);
}

function cut(text: string, most = SHOWN_CHARS): string {
  if (text.length <= most) return text;
  const shown = firstChars(text, most);
  return `${shown}\n[${text.length - shown.length} more characters left out]`;
}
