import type { AgentVersion } from '../protocol/agent';
import type { BlobRef } from '../protocol/json';
import { LIMITS } from '../protocol/limits';
import type { AgentStep, ParallelStep, RetryPolicy, SequenceStep, Step } from '../protocol/plan';
import type { RunWorkflowInput } from '../protocol/run';
import { isUndecodable } from '../protocol/undecodable';
import { agentsOf } from '../core/addresses';
import { fail } from './failure';

/** Says in one line what is wrong with the value at a place; undefined where nothing is. */
type Check = (value: unknown, place: string) => string | undefined;

/** A check for every field: one that the protocol gains does not compile until it has its own. */
type Checks<T> = { readonly [K in keyof T]-?: Check };

/** More than the client lets through and less than what can be written as JSON again. */
const JSON_DEPTH = 2_000;
const DAY_MS = 86_400_000;
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

function inputProblem(input: unknown): string | undefined {
  if (!isObject(input)) return notWanted(input, 'input', 'must be an object');
  if (nestedDeeperThan(JSON_DEPTH, input)) return `input is nested deeper than ${JSON_DEPTH} levels`;
  return runInput(input, 'input');
}

function notWanted(value: unknown, place: string, wanted: string): string {
  return isUndecodable(value) ? `${place} cannot be decoded: ${value.undecodable}` : `${place} ${wanted}`;
}

/** Level by level rather than by recursion, which is what an endless nesting would exhaust. */
function nestedDeeperThan(levels: number, value: unknown): boolean {
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth > levels) return true;
    level = level.flatMap((item) => (typeof item === 'object' && item !== null ? Object.values(item) : []));
  }
  return false;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !isUndecodable(value);
}

const anything: Check = () => undefined;

const text: Check = (value, place) => (typeof value === 'string' ? undefined : `${place} must be text`);

const matching =
  (pattern: RegExp, wanted: string): Check =>
  (value, place) =>
    typeof value === 'string' && pattern.test(value) ? undefined : `${place} must be ${wanted}`;

const whole =
  (min: number, max: number): Check =>
  (value, place) =>
    typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max
      ? undefined
      : `${place} must be a whole number from ${min} to ${max}`;

const optional =
  (check: Check): Check =>
  (value, place) =>
    value === undefined ? undefined : check(value, place);

const listOf =
  (check: Check, { min, max }: { readonly min: number; readonly max: number }): Check =>
  (value, place) => {
    if (!Array.isArray(value)) return `${place} must be a list`;
    if (value.length < min || value.length > max) return `${place} must hold ${min} to ${max} entries`;
    return firstProblem(value.entries(), (index, entry) => check(entry, `${place}[${index}]`));
  };

const objectOf =
  <T>(checks: Checks<T>): Check =>
  (value, place) => {
    if (!isObject(value)) return `${place} must be an object`;
    return firstProblem(Object.entries<Check>(checks), (name, check) =>
      check(value[name], `${place}.${name}`),
    );
  };

function firstProblem<K, V>(
  entries: Iterable<[K, V]>,
  problemOf: (key: K, value: V) => string | undefined,
): string | undefined {
  for (const [key, value] of entries) {
    const problem = problemOf(key, value);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

const uuid = matching(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i, 'a UUID');
// It becomes part of an activity's id; the server refuses one that is too long.
const agentName = matching(/^[a-z][a-z0-9-]{0,63}$/, "an agent's name");

const blobRef = objectOf<BlobRef>({
  blob: matching(/^[0-9a-f]{64}$/, 'a SHA-256 in lower-case hex'),
  bytes: whole(0, Number.MAX_SAFE_INTEGER),
  mediaType: text,
});

const VALUES: Readonly<Record<string, Check>> = {
  inline: anything,
  ref: blobRef,
  record: (entries, place) =>
    isObject(entries)
      ? firstProblem(Object.values(entries).entries(), (index, entry) => value(entry, `${place}[${index}]`))
      : `${place} must be an object`,
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

const onFailure: Check = (rule, place) => {
  if (rule === 'fail' || rule === 'skip') return undefined;
  const fallback = isObject(rule) ? rule['fallback'] : undefined;
  if (isObject(fallback) && 'value' in fallback) return undefined;
  if (isObject(fallback)) return agentName(fallback['agent'], `${place}.fallback.agent`);
  return `${place} must be fail, skip or a fallback`;
};

const aggregate: Check = (rule, place) => {
  if (rule === 'merge' || rule === 'concat') return undefined;
  if (isObject(rule)) return agentName(rule['agent'], `${place}.agent`);
  return `${place} must be merge, concat or an agent`;
};

const agentStep = objectOf<AgentStep>({
  type: text,
  agent: agentName,
  input: anything,
  timeoutMs: optional(whole(1, DAY_MS)),
  retry: optional(
    objectOf<RetryPolicy>({
      maxAttempts: optional(whole(1, 20)),
      initialIntervalMs: optional(whole(1, 600_000)),
      maxIntervalMs: optional(whole(1, 600_000)),
    }),
  ),
  onFailure: optional(onFailure),
});

/** The check of each type of step, by how deep it stands. */
const STEPS: Readonly<Record<Step['type'], (depth: number) => Check>> = {
  agent: () => agentStep,
  sequence: (depth) =>
    objectOf<SequenceStep>({ type: text, steps: stepsAt(depth), onFailure: optional(onFailure) }),
  parallel: (depth) =>
    objectOf<ParallelStep>({
      type: text,
      steps: stepsAt(depth),
      aggregate: optional(aggregate),
      maxConcurrency: optional(whole(1, LIMITS.agentsPerRun)),
      onFailure: optional(onFailure),
    }),
};

function stepsAt(depth: number): Check {
  return listOf(stepAt(depth + 1), { min: 1, max: LIMITS.agentsPerRun });
}

function stepAt(depth: number): Check {
  return (step, place) => {
    if (depth > LIMITS.planDepth) return `${place} is nested deeper than ${LIMITS.planDepth} steps`;
    const type = isObject(step) ? step['type'] : undefined;
    if (!isStepType(type)) return `${place}.type must be one of ${Object.keys(STEPS).join(', ')}`;
    return STEPS[type](depth)(step, place);
  };
}

function isStepType(type: unknown): type is Step['type'] {
  return typeof type === 'string' && Object.hasOwn(STEPS, type);
}

/** Every agent of the plan may run at once, and the server refuses too many pending activities. */
const plan: Check = (step, place) => {
  const problem = stepAt(1)(step, place);
  if (problem !== undefined) return problem;
  const count = agentsOf(step as Step).length;
  return count > LIMITS.agentsPerRun
    ? `${place} names ${count} agents; the limit is ${LIMITS.agentsPerRun}`
    : undefined;
};

const agentVersion = objectOf<AgentVersion>({
  name: agentName,
  version: matching(
    new RegExp(`^.{1,${VERSION_CHARS}}$`),
    `a version of at most ${VERSION_CHARS} characters`,
  ),
  agentType: text,
  capabilities: listOf(text, { min: 0, max: LIMITS.agentsPerRun }),
  timeoutMs: whole(1, DAY_MS),
});

const runInput = objectOf<RunWorkflowInput>({
  schemaVersion: (version, place) => (version === 1 ? undefined : `${place} must be 1`),
  tenantId: uuid,
  projectId: uuid,
  runId: uuid,
  task: value,
  input: value,
  plan,
  agents: listOf(agentVersion, { min: 1, max: LIMITS.agentsPerRun }),
});
