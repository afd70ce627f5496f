import type { AgentVersion } from '../protocol/agent';
import type { BlobPart, BlobRef } from '../protocol/json';
import { LIMITS } from '../protocol/limits';
import { nestedDeeperThan } from '../protocol/nesting';
import type { ParentRun, RunBounds, RunWorkflowInput } from '../protocol/run';
import {
  agentName,
  anything,
  type Check,
  isObject,
  listOf,
  mapOf,
  matching,
  notWanted,
  objectOf,
  optional,
  text,
  whole,
} from './check';
import { carriedCheck } from './check-carried';
import { checkPlan } from './check-plan';
import { fail } from './failure';

/** More than the client lets through and less than what can be written as JSON again. */
const JSON_DEPTH = 2_000;
/** With the agent's name it is the summary of an activity, and the server refuses long ones. */
const VERSION_CHARS = 200;
/** A place deep inside is a long one. */
const PROBLEM_CHARS = 500;

/**
 * Ends the workflow with INPUT_INVALID unless it was started with what a run is made of. Anybody may start it with
 * anything, and what workflow code or the server's command checks stumble over later would be retried for ever.
 */
export function checkInput(input: unknown): void {
  const problem = inputProblem(input);
  if (problem !== undefined) fail('INPUT_INVALID', problem.slice(0, PROBLEM_CHARS));
}

/** The key that the `context` query may name; any other argument fails the query, and nothing but the query. */
export function checkContextKey(key: unknown): string | undefined {
  // Clients of other languages send an argument left out as null.
  if (key === undefined || key === null) return undefined;
  return typeof key === 'string' ? key : fail('INPUT_INVALID', notWanted(key, 'key', 'must be text'));
}

/** The address that the `previous` query names. */
export function checkAddress(address: unknown): string {
  return typeof address === 'string'
    ? address
    : fail('INPUT_INVALID', notWanted(address, 'address', 'must be text'));
}

function inputProblem(input: unknown): string | undefined {
  if (!isObject(input)) return notWanted(input, 'input', 'must be an object');
  if (nestedDeeperThan(JSON_DEPTH, input)) return `input is nested deeper than ${JSON_DEPTH} levels`;
  return runInput(input, 'input');
}

export const uuid = matching(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i, 'a UUID');

const blobRef = objectOf<BlobRef>({
  blob: matching(/^[0-9a-f]{64}$/, 'a SHA-256 in lower-case hex'),
  bytes: whole(0, Number.MAX_SAFE_INTEGER),
  mediaType: text,
});

const VALUES: Readonly<Record<string, Check>> = {
  inline: anything,
  ref: blobRef,
  part: objectOf<BlobPart>({ of: blobRef, pointer: text }),
  record: (entries, place) => mapOf(value)(entries, place),
  list: (entries, place) => listOf(value, { min: 0, max: Number.MAX_SAFE_INTEGER })(entries, place),
};

/** A value inline, by reference, or made of others. */
function value(given: unknown, place: string): string | undefined {
  const [kind = '', ...more] = isObject(given) ? Object.keys(given) : [];
  const check = Object.hasOwn(VALUES, kind) && more.length === 0 ? VALUES[kind] : undefined;
  if (check === undefined || !isObject(given))
    return `${place} must be one of ${Object.keys(VALUES).join(', ')}`;
  return check(given[kind], `${place}.${kind}`);
}

const facts = mapOf(mapOf(anything));

const agentVersion = objectOf<AgentVersion>({
  name: agentName,
  version: matching(
    new RegExp(`^.{1,${VERSION_CHARS}}$`),
    `a version of at most ${VERSION_CHARS} characters`,
  ),
  agentType: text,
  capabilities: listOf(text, { min: 0, max: LIMITS.agentsPerRun }),
  timeoutMs: whole(1, LIMITS.timeoutMs),
  defined: optional(whole(1, LIMITS.versions)),
});

const runInput = objectOf<RunWorkflowInput>({
  schemaVersion: (version, place) => (version === 1 ? undefined : `${place} must be 1`),
  tenantId: uuid,
  projectId: uuid,
  runId: uuid,
  task: value,
  input: value,
  plan: checkPlan,
  agents: listOf(agentVersion, { min: 0, max: LIMITS.agentsPerRun }),
  facts: optional(facts),
  bounds: optional(
    objectOf<RunBounds>({
      executions: whole(0, LIMITS.executionsPerRun),
      depth: whole(0, LIMITS.runDepth),
    }),
  ),
  parent: optional(objectOf<ParentRun>({ runId: uuid, address: text })),
  startsPerHistory: optional(whole(1, Number.MAX_SAFE_INTEGER)),
  commandOrder: optional((order, place) => (order === 2 ? undefined : `${place} must be 2`)),
  carried: optional(carriedCheck(value)),
});
