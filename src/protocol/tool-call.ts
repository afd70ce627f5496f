import { z } from 'zod';
import type { Failure } from './failures';
import { Json } from './json';
import { LIMITS } from './limits';

/** What a tool call does to the world: nothing, the same however often it is made, or something each time it is made. */
export type SideEffects = 'none' | 'idempotent' | 'dangerous';

/** `open`: begun, and nothing is known of its end. `unknown`: an attempt asked what became of it, and nobody could say. */
export const TOOL_CALL_STATUSES = ['open', 'unknown', 'done', 'failed'] as const;
export type ToolCallStatus = (typeof TOOL_CALL_STATUSES)[number];

/** One tool call of a run, as the ledger has it. */
export interface ToolCallInfo {
  /** SHA-256 in lower-case hex of run, agent run, step, tool and arguments; what services get as idempotency key. */
  readonly key: string;
  readonly agentRunId: string;
  readonly address: string;
  readonly agent: string;
  readonly step: string;
  readonly tool: string;
  readonly sideEffects: SideEffects;
  readonly arguments: Json;
  readonly status: ToolCallStatus;
  /** The attempt of the agent run that made it last. */
  readonly attempt: number;
  readonly result: Json;
  readonly failure: Failure | null;
  /** Who said what became of it, where no attempt did. */
  readonly resolvedBy: string | null;
  readonly startedAt: string;
  readonly endedAt: string | null;
}

/** What an operator found out of a call whose outcome was lost. */
export const ToolCallResolution = z.union([
  z.strictObject({ result: Json }),
  z.strictObject({ failed: z.string().trim().min(1).max(LIMITS.failureChars) }),
]);
export type ToolCallResolution = z.infer<typeof ToolCallResolution>;
