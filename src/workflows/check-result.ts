import type { AgentResult } from '../protocol/agent';
import type { AgentRest } from '../protocol/rest';
import type { SettledAgent } from '../protocol/run';
import { asleepCheck } from './check-rest';

/** Whether what an activity brought back is an agent's result; its own worker's always is, a raw completion may be anything. */
export function isAgentResult(value: unknown): value is AgentResult {
  if (!isRecord(value) || typeof value['agentRunId'] !== 'string') return false;
  const { output, effects, usage } = value as { output?: unknown; effects?: unknown; usage?: unknown };
  return isRecord(output) && areEffects(effects) && isRecord(usage);
}

/** Whether it is what a turn brings back whose agent lay down. */
export function isAgentRest(value: unknown): value is AgentRest {
  if (!isRecord(value) || typeof value['agentRunId'] !== 'string') return false;
  const { effects, asleep } = value;
  return areEffects(effects) && asleepCheck(asleep, 'asleep') === undefined;
}

function areEffects(effects: unknown): boolean {
  const writes = isRecord(effects) ? effects['context'] : undefined;
  return Array.isArray(writes) && writes.every(isWrite);
}

function isWrite(value: unknown): boolean {
  if (!isRecord(value) || typeof value['key'] !== 'string') return false;
  return value['op'] === 'delete' || isRecord(value['value']);
}

/** Whether what a settlement brought back says what became of the row; a raw completion may be anything. */
export function isSettledAgent(value: unknown): value is SettledAgent {
  if (!isRecord(value)) return false;
  if (value['outcome'] === 'adopted') return isAgentResult(value['result']);
  return (
    value['outcome'] === 'closed' ||
    (value['outcome'] === 'unfinished' && Number.isInteger(value['attempts']))
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
