import { AppError } from '../protocol/failures';
import { LIMITS } from '../protocol/limits';
import { type ToolCallInfo, ToolCallResolution } from '../protocol/tool-call';
import { unstorable } from '../core/text';
import type { Repositories } from '../db/repositories';
import type { ToolCallOutcome } from '../db/repositories/tool-calls';
import { findRun } from './find-run';

interface Source {
  readonly repositories: Repositories;
  readonly tenantId: string;
}

/** A run's tool calls, references resolved. */
export async function listToolCalls(source: Source, runId: string): Promise<readonly ToolCallInfo[]> {
  const { repositories, tenantId } = source;
  await findRun(source, runId);
  const calls: ToolCallInfo[] = [];
  for (const { runId: _, unknownAt: __, ...row } of await repositories.toolCalls.list(tenantId, runId))
    calls.push({
      ...row,
      arguments: await repositories.values.load(tenantId, row.arguments),
      result: row.result === null ? null : await repositories.values.load(tenantId, row.result),
    });
  return calls;
}

export interface ToolCallRef {
  readonly runId: string;
  readonly key: string;
  readonly by: string;
}

/** Keeps what an operator found out of a call. Throws INPUT_*, RUN_UNKNOWN, and IDEMPOTENCY_CONFLICT where it is known. */
export async function resolveToolCall(
  source: Source,
  { runId, key, by }: ToolCallRef,
  resolution: ToolCallResolution,
): Promise<void> {
  const { repositories, tenantId } = source;
  const given = parsedResolution(resolution);
  const operator = parsedOperator(by);
  await findRun(source, runId);
  const outcome: ToolCallOutcome =
    'failed' in given
      ? { result: null, failure: { code: 'TOOL_FAILED', message: given.failed } }
      : { result: await repositories.values.store(tenantId, given.result), failure: null };
  const resolved = await repositories.toolCalls.resolve(tenantId, { runId, key, by: operator, ...outcome });
  switch (resolved.outcome) {
    case 'resolved':
      return;
    case 'call-unknown':
      throw new AppError(
        'INPUT_INVALID',
        `key "${key.slice(0, 80)}" is no tool call of run ${runId}; toolCalls lists them`,
      );
    case 'under-way':
      throw new AppError(
        'IDEMPOTENCY_CONFLICT',
        `Attempt ${resolved.attempt} is making this call right now; resolve it once that attempt is over`,
      );
    case 'already':
      throw new AppError(
        'IDEMPOTENCY_CONFLICT',
        `This call has an outcome already: it ${resolved.failure === null ? 'succeeded' : 'failed'}; toolCalls shows it`,
      );
  }
}

function parsedResolution(resolution: ToolCallResolution): ToolCallResolution {
  const parsed = ToolCallResolution.safeParse(resolution);
  if (!parsed.success)
    throw new AppError(
      'INPUT_INVALID',
      'The resolution must be {"result": <any JSON>} for a call that happened, or {"failed": "<why>"} for one that did ' +
        `not, with at most ${LIMITS.failureChars} characters`,
    );
  const text = JSON.stringify(parsed.data);
  const character = unstorable(text);
  if (character !== undefined)
    throw new AppError('INPUT_INVALID', `The resolution holds ${character}; remove it`);
  const bytes = Buffer.byteLength(text);
  if (bytes > LIMITS.inputBytes)
    throw new AppError(
      'INPUT_TOO_LARGE',
      `result has ${bytes} bytes; the limit is ${LIMITS.inputBytes}: give what the agent needs of it`,
    );
  return parsed.data;
}

function parsedOperator(by: string): string {
  const name = typeof by === 'string' ? by.trim() : '';
  if (name === '' || name.length > LIMITS.operatorChars || unstorable(JSON.stringify(name)) !== undefined)
    throw new AppError(
      'INPUT_INVALID',
      `by must name who says so, in 1 to ${LIMITS.operatorChars} printable characters`,
    );
  return name;
}
