import { uuidv7 } from 'uuidv7';
import type { CloseAgentRun, OpenAgentRun, SettleAgentRun } from '../../../src/db/repositories/agent-runs';
import type { NewModelCall } from '../../../src/db/repositories/model-calls';
import type { NewRun, RunEnd } from '../../../src/db/repositories/runs';
import type { NewTokenChunk } from '../../../src/db/repositories/tokens';
import type { ToolCallIntent } from '../../../src/db/repositories/tool-calls';
import type { Repositories } from '../../../src/db/repositories';
import type { AgentResult, Usage } from '../../../src/protocol/agent';
import { AgentDefinition, type AgentDefinitionInput } from '../../../src/protocol/agent-definition';
import type { NewEvent, RunEvent } from '../../../src/protocol/event';
import { NO_USAGE } from '../../../src/core/usage';
import { DEFAULT_PROJECT_ID, LOCAL_TENANT_ID } from '../../../src/protocol/run';

/** What the one call of `aModelCall` took. */
export const USAGE: Usage = {
  modelCalls: 1,
  inputTokens: 10,
  outputTokens: null,
  cachedInputTokens: 4,
  reasoningTokens: 0,
  costMicros: 25,
};

/** A request that the local tenant may make. */
export function aRun(change: Partial<NewRun> = {}): NewRun {
  return {
    runId: uuidv7(),
    projectId: DEFAULT_PROJECT_ID,
    task: { inline: 'write a haiku' },
    input: { inline: {} },
    plan: { type: 'sequence', steps: [{ type: 'agent', agent: 'writer' }] },
    agents: [
      { name: 'writer', version: '1.0.0', agentType: 'custom', capabilities: ['text'], timeoutMs: 1000 },
    ],
    requestHash: 'hash-of-the-request',
    ...change,
  };
}

/** The id of a run that was just accepted. */
export async function acceptedRun({ runs }: Repositories, tenantId = LOCAL_TENANT_ID): Promise<string> {
  return (await runs.create(tenantId, aRun())).runId;
}

/** The first attempt at the only step of `aRun`. */
export function anOpening(runId: string, change: Partial<OpenAgentRun> = {}): OpenAgentRun {
  return {
    runId,
    candidateId: uuidv7(),
    address: '0',
    agent: 'writer',
    version: '1.0.0',
    scheduledAtMs: 1_000,
    activityAttempt: 1,
    tokenHash: 'token-1',
    worker: 'worker-1',
    events: [],
    ...change,
  };
}

/** What the agent brought back; it made no model call. */
function aResult(text = 'final'): AgentResult {
  return {
    agentRunId: uuidv7(),
    output: { inline: text },
    effects: { context: [{ op: 'set', key: 'draft', value: { inline: text } }] },
    usage: NO_USAGE,
  };
}

/** A call to a model that an attempt made. */
export function aModelCall(attempt: Opened, change: Partial<NewModelCall> = {}): NewModelCall {
  const { modelCalls: _, ...took } = USAGE;
  return {
    id: uuidv7(),
    runId: attempt.runId,
    agentRunId: attempt.agentRunId,
    attempt: attempt.attempt,
    provider: 'scripted',
    model: 'script-1',
    ...took,
    firstTokenMs: null,
    durationMs: 120,
    pricesOf: '2026-10-24',
    failure: null,
    ...change,
  };
}

export interface Opened {
  readonly runId: string;
  readonly agentRunId: string;
  readonly attempt: number;
  readonly tokenHash: string;
}

/** Opens, and expects to be the one that may work. */
export async function opened(
  { agentRuns }: Repositories,
  opening: OpenAgentRun,
  tenantId = LOCAL_TENANT_ID,
): Promise<Opened> {
  const answer = await agentRuns.open(tenantId, opening);
  if (answer.outcome !== 'open') throw new Error(`expected an open agent run, not ${answer.outcome}`);
  const { agentRunId, attempt } = answer;
  return { runId: opening.runId, agentRunId, attempt, tokenHash: opening.tokenHash };
}

export function aClosing(attempt: Opened, text = 'final'): CloseAgentRun {
  return { ...attempt, result: aResult(text) };
}

/** A dangerous tool call that an attempt makes. */
export function aToolCall(attempt: Opened, change: Partial<ToolCallIntent> = {}): ToolCallIntent {
  return {
    ...attempt,
    key: 'a'.repeat(64),
    step: '1.1',
    tool: 'mail.send',
    sideEffects: 'dangerous',
    arguments: { inline: { to: 'somebody' } },
    ...change,
  };
}

/** The first piece that an attempt streams. */
export function aTokenChunk(attempt: Opened, change: Partial<NewTokenChunk> = {}): NewTokenChunk {
  const { runId, agentRunId, attempt: number } = attempt;
  const what = { call: 1, kind: 'text', text: 'secret', tool: null } as const;
  return { runId, agentRunId, attempt: number, ordinal: 1, ...what, ...change };
}

export function aSettlement(runId: string, change: Partial<SettleAgentRun> = {}): SettleAgentRun {
  return {
    runId,
    candidateId: uuidv7(),
    address: '0',
    agent: 'writer',
    version: '1.0.0',
    status: 'failed',
    failure: { code: 'AGENT_TIMEOUT', message: 'took too long' },
    events: [],
    ...change,
  };
}

export function anEnd(runId: string, change: Partial<RunEnd> = {}): RunEnd {
  return {
    runId,
    status: 'completed',
    result: { inline: 'final' },
    failure: null,
    degraded: [],
    events: [],
    ...change,
  };
}

/** A decision of the workflow. */
export function aDecision(key: string): NewEvent {
  return { key, type: 'step.decided', address: '0', data: { reason: key } };
}

/** The whole story of a run. */
export function story(
  { events }: Repositories,
  runId: string,
  tenantId = LOCAL_TENANT_ID,
): Promise<RunEvent[]> {
  return events.readAfter(tenantId, runId, { afterSeq: 0, limit: 10_000 });
}

/** The story's types, in order; throws where a number is missing. */
export async function plot(repositories: Repositories, runId: string): Promise<string[]> {
  const events = await story(repositories, runId);
  expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1));
  return events.map(({ type }) => type);
}

/** An agent as data. */
export function aDefinition(prompt: string, change: Partial<AgentDefinitionInput> = {}): AgentDefinition {
  return AgentDefinition.parse({ name: 'quoter', description: 'Quotes prices', prompt, ...change });
}
