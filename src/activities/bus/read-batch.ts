import { promisify } from 'node:util';
import { unzip } from 'node:zlib';
import type { Json } from '../../protocol/json';
import type { DeadLetterReason, Lane, LanedBatch, LanedItem } from '../../protocol/message';
import { LIMITS } from '../../protocol/limits';
import { isUndecodable } from '../../protocol/undecodable';
import { isStorable, itemProblem } from './check-item';

/** A batch that is buried whole. */
export interface Unreadable {
  readonly reason: DeadLetterReason;
  readonly detail: string;
  /** The beginning of its bytes, where there are any. */
  readonly raw?: Buffer;
  /** What was given, where it could be read as far as that. */
  readonly given?: unknown;
}

export function isUnreadable(batch: LanedBatch | Unreadable): batch is Unreadable {
  return 'reason' in batch;
}

/** As much of what was sent as PostgreSQL takes. */
export function keepable(given: unknown): Json | undefined {
  const text = JSON.stringify(given) ?? '';
  if (text.length > LIMITS.deadLetterBytes || !isStorable(text)) return undefined;
  return given as Json;
}

const inflate = promisify(unzip);

/** Reads one argument of signal `bus.deliver`, whatever anybody put there. Never throws. */
export async function readBatch(argument: unknown): Promise<LanedBatch | Unreadable> {
  if (isUndecodable(argument)) return { reason: 'undecodable', detail: argument.undecodable };
  if (!(argument instanceof Uint8Array)) return checkBatch(argument);
  const raw = Buffer.from(argument.subarray(0, LIMITS.deadLetterBytes));
  let given: unknown;
  try {
    given = JSON.parse((await unpacked(argument)).toString('utf8'));
  } catch {
    return {
      reason: 'undecodable',
      detail: 'The batch is neither JSON nor compressed JSON within its bounds',
      raw,
    };
  }
  const batch = checkBatch(given);
  return isUnreadable(batch) ? { ...batch, raw } : batch;
}

async function unpacked(bytes: Uint8Array): Promise<Buffer> {
  // The first byte of gzip and of zlib; JSON text starts with a brace.
  const packed = bytes[0] === 0x1f || bytes[0] === 0x78;
  if (!packed) return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return inflate(bytes, { maxOutputLength: LIMITS.batchUnpackedBytes });
}

function checkBatch(given: unknown): LanedBatch | Unreadable {
  const invalid = (detail: string): Unreadable => ({ reason: 'invalid', detail, given });
  if (!isObject(given)) return invalid('A batch must be an object');
  const single = given['lanes'] === undefined;
  const { items: list, ...header } = given;
  const headers: unknown = single ? [header] : given['lanes'];
  if (!Array.isArray(list) || list.length > LIMITS.batchItems)
    return invalid(`items must be a list of at most ${LIMITS.batchItems}`);
  if (!Array.isArray(headers) || headers.length === 0 || headers.length > LIMITS.batchItems)
    return invalid('lanes must be a list that is not empty');
  const lanes: Lane[] = [];
  for (const [index, one] of headers.entries()) {
    const problem = laneProblem(one);
    if (problem !== undefined) return invalid(`lanes[${index}]${problem}`);
    lanes.push({ ...LANE_DEFAULTS, ...(one as Pick<Lane, 'publisher' | 'from'>) });
  }
  for (const [index, item] of list.entries()) {
    const problem = itemProblem(item, lanes.length);
    if (problem !== undefined) return invalid(`items[${index}]${problem}`);
  }
  return { lanes, items: list as LanedItem[] };
}

const LANE_DEFAULTS = { turn: 1, attempt: 1 };
const LANE_FIELDS = new Set(['publisher', 'turn', 'attempt', 'from', 'mac', 'resends']);
const PUBLISHER =
  /^(client:[a-z0-9][a-z0-9._-]{0,63}(\/[A-Za-z0-9._-]+)?|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$/;
const MAC = /^[0-9a-f]{64}$/;

function laneProblem(lane: unknown): string | undefined {
  if (!isObject(lane)) return ' must be an object';
  const unknown = Object.keys(lane).find((key) => !LANE_FIELDS.has(key));
  if (unknown !== undefined) return ` has an unknown field ${JSON.stringify(unknown.slice(0, 40))}`;
  const { publisher, turn = 1, attempt = 1, from, mac, resends } = lane;
  if (typeof publisher !== 'string' || publisher.length > LIMITS.publisherChars || !PUBLISHER.test(publisher))
    return ".publisher must be client:NAME, client:NAME/INSTANCE or an agent run's id";
  for (const [name, value] of Object.entries({ turn, attempt, from }))
    if (!isCount(value)) return `.${name} must be a whole number from 1`;
  if (mac !== undefined && !(typeof mac === 'string' && MAC.test(mac))) return '.mac must be 64 hex digits';
  if (resends !== undefined && typeof resends !== 'boolean') return '.resends must be true or false';
  return undefined;
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 1 && value < 2 ** 31;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
