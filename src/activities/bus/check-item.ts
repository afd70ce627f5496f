import { BlobRef } from '../../protocol/json';
import { LIMITS } from '../../protocol/limits';
import {
  isControl,
  MESSAGE_PRIORITIES,
  SUBSCRIBE,
  SubscriptionRequest,
  TARGET_PROBLEM,
  UNSUBSCRIBE,
} from '../../protocol/message';
import { Predicate } from '../../protocol/predicate';

/** What is wrong with a field that is there; undefined where nothing is. */
type Check = (value: unknown) => string | undefined;

const NAME = /^(client:[a-z0-9][a-z0-9._-]{0,63}|[a-z][a-z0-9-]{0,63})$/;
const TYPE = /^[a-z][a-z0-9.-]{0,63}$/;
const TOPIC = new RegExp(`^[A-Za-z0-9_-]+(\\.[A-Za-z0-9_-]+){0,${LIMITS.topicSegments - 1}}$`);
const PRIORITIES: ReadonlySet<unknown> = new Set(MESSAGE_PRIORITIES);

const matching =
  (pattern: RegExp, most: number, wanted: string): Check =>
  (value) =>
    typeof value === 'string' && value.length <= most && pattern.test(value) ? undefined : wanted;

const name = matching(NAME, 80, 'must be the name of a member or a client');
const text: Check = (value) => {
  if (typeof value !== 'string' || value.length === 0 || value.length > LIMITS.correlationChars)
    return `must be text of 1 to ${LIMITS.correlationChars} characters`;
  return isStorable(JSON.stringify(value)) ? undefined : UNSTORABLE;
};

/** The schema of a message, once more, by hand: it is paid for with every message (twenty times less than with zod). */
const FIELDS: Readonly<Record<string, Check>> = {
  lane: (value) => (Number.isInteger(value) ? undefined : 'must be the number of a lane'),
  to: name,
  topic: matching(TOPIC, LIMITS.topicChars, 'must be segments between dots'),
  broadcast: (value) => (value === true ? undefined : 'must be true'),
  where: (value) => (Predicate.safeParse(value).success ? undefined : 'must be a predicate'),
  capability: (value) =>
    typeof value === 'string' && value.length > LIMITS.capabilityChars
      ? `must have at most ${LIMITS.capabilityChars} characters`
      : text(value),
  type: matching(TYPE, 64, 'must be lower-case letters, digits, dots and dashes'),
  priority: (value) =>
    PRIORITIES.has(value) ? undefined : `must be one of ${MESSAGE_PRIORITIES.join(', ')}`,
  correlationId: text,
  replyTo: name,
  content: contentProblem,
  ref: (value) => (BlobRef.safeParse(value).success ? undefined : 'must be a reference to a blob'),
  ttlMs: (value) =>
    typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= LIMITS.messageTtlMs
      ? undefined
      : `must be a whole number from 1 to ${LIMITS.messageTtlMs}`,
};

/** What is wrong with one item of a batch of so many lanes, with its place; undefined where nothing is. */
export function itemProblem(item: unknown, lanes: number): string | undefined {
  if (typeof item !== 'object' || item === null || Array.isArray(item)) return ' must be an object';
  const fields = item as Record<string, unknown>;
  for (const key of Object.keys(fields)) {
    if (fields[key] === undefined) continue;
    const check = Object.hasOwn(FIELDS, key) ? FIELDS[key] : undefined;
    if (check === undefined) return ` has an unknown field ${JSON.stringify(key.slice(0, 40))}`;
    const problem = check(fields[key]);
    if (problem !== undefined) return `.${key} ${problem}`;
  }
  const { type, content, ref } = fields;
  const lane = fields['lane'] ?? 0;
  if (typeof lane !== 'number' || lane < 0 || lane >= lanes) return '.lane must be the number of a lane';
  if (typeof type !== 'string') return '.type must be given';
  if ((content === undefined) === (ref === undefined)) return ' must have exactly one of content, ref';
  if (targets(fields) !== (isControl(type) ? 0 : 1)) return ` ${TARGET_PROBLEM}`;
  return isControl(type) ? controlProblem(type, content) : undefined;
}

function targets({ to, topic, broadcast, where, capability }: Record<string, unknown>): number {
  return [to, topic, broadcast, where, capability].filter((target) => target !== undefined).length;
}

function controlProblem(type: string, content: unknown): string | undefined {
  if (type !== SUBSCRIBE && type !== UNSUBSCRIBE) return '.type bus.* is for the bus itself';
  return SubscriptionRequest.safeParse(content).success ? undefined : '.content must be a subscription';
}

const UNSTORABLE = 'holds a character that cannot be stored: U+0000, or half of a pair';

function contentProblem(content: unknown): string | undefined {
  let json: string;
  try {
    json = JSON.stringify(content);
  } catch {
    return 'is nested too deep';
  }
  if (Buffer.byteLength(json) > LIMITS.messageContentBytes)
    return `has more than ${LIMITS.messageContentBytes} bytes; upload it and send the reference`;
  return isStorable(json) ? undefined : UNSTORABLE;
}

/** Whether PostgreSQL takes a JSON text: of U+0000 and half pairs it does not. JSON writes both as escapes, and nothing else of that form, unless a backslash stands before the backslash. */
export function isStorable(json: string): boolean {
  return !json.includes('\\u') || !/(?<!\\)(?:\\\\)*\\u(?:0000|d[89a-f])/i.test(json);
}
