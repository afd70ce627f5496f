import type { AgentInfo, Degradation, Usage } from '../protocol/agent';
import type {
  Carried,
  CarriedComposite,
  CarriedEntry,
  CarriedExecution,
  CarriedStep,
  CarriedVisit,
  PackedOutcome,
  PackedOutputs,
} from '../protocol/carried';
import { LIMITS } from '../protocol/limits';
import { asleepCheck } from './check-rest';
import {
  agentName,
  anything,
  type Check,
  isObject,
  listOf,
  mapOf,
  matching,
  objectOf,
  oneOf,
  optional,
  text,
  whole,
} from './check';

const ANY = { min: 0, max: Number.MAX_SAFE_INTEGER };
const count = whole(0, Number.MAX_SAFE_INTEGER);
const countOrNull: Check = (value, place) => (value === null ? undefined : count(value, place));
const truth: Check = (value, place) =>
  typeof value === 'boolean' ? undefined : `${place} must be true or false`;
/** It becomes part of activity ids, and the server refuses long ones. */
const address = matching(/^[0-9a-z.#~]{1,400}$/, 'an address');

const packedValue: Check = (value, place) => {
  if (typeof value === 'number') return count(value, place);
  if (isObject(value) && 'list' in value) return listOf(packedValue, ANY)(value['list'], `${place}.list`);
  if (isObject(value) && 'record' in value) return mapOf(packedValue)(value['record'], `${place}.record`);
  return `${place} must be an index, a list or a record`;
};

const outputs = objectOf<PackedOutputs>({
  list: text,
  values: optional(mapOf(packedValue)),
});

const outcome = objectOf<PackedOutcome>({
  type: oneOf('done', 'skipped', 'left-out', 'cancelled'),
  output: optional(packedValue),
  leaves: optional(mapOf(packedValue)),
});

const visit: Check = (value, place) =>
  objectOf<CarriedVisit>({
    child: count,
    outcome: optional(outcome),
    outputs: optional(outputs),
    left: optional(count),
    step: optional(step),
  })(value, place);

const composite = objectOf<CarriedComposite>({
  visits: listOf(visit, ANY),
  decisions: count,
  outputs,
  list: optional(packedValue),
});

const step: Check = objectOf<CarriedStep>({
  at: oneOf('attempt', 'pause', 'fallback'),
  attempt: whole(1, 1_000),
  until: optional(count),
  asleep: optional(asleepCheck),
  childRun: optional(matching(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i, 'a UUID')),
  composite: optional(composite),
});

const usage = objectOf<Usage>({
  modelCalls: count,
  inputTokens: countOrNull,
  outputTokens: countOrNull,
  cachedInputTokens: countOrNull,
  reasoningTokens: countOrNull,
  costMicros: countOrNull,
});

/** Checks what a workflow handed to itself: anybody may claim to have been one. */
export const carriedCheck = (value: Check): Check =>
  objectOf<Carried>({
    schemaVersion: (version, place) => (version === 1 ? undefined : `${place} must be 1`),
    continued: count,
    values: listOf(value, ANY),
    names: listOf(agentName, ANY),
    facts: mapOf(mapOf(anything)),
    context: listOf(
      objectOf<CarriedEntry>({ key: text, value: optional(packedValue), version: count, author: text }),
      ANY,
    ),
    usage,
    degraded: listOf(
      objectOf<Degradation>({
        address,
        agent: text,
        code: text,
        message: text,
        instead: oneOf('failed', 'skipped', 'fallback'),
      }),
      { min: 0, max: LIMITS.degradationsPerRun },
    ),
    executions: listOf(objectOf<CarriedExecution>({ address, agent: text, status: text }), ANY),
    earlierExecutions: count,
    roster: listOf(
      objectOf<AgentInfo>({
        name: agentName,
        agentType: text,
        capabilities: listOf(text, ANY),
        status: oneOf('idle', 'busy', 'failed'),
        lastHeartbeat: anything,
        messageCount: count,
      }),
      ANY,
    ),
    used: count,
    tellsEnd: truth,
    heard: optional(mapOf(count)),
    plan: step,
  });
