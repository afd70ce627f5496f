import { AppError } from '../../protocol/failures';
import type { BlobPart, BlobRef, Json, Value } from '../../protocol/json';
import { LIMITS } from '../../protocol/limits';
import { isDeeperThan } from '../../core/text';
import { encode } from '../encode';
import { tokensOf, valueAt } from '../../core/pointer';
import type { Blobs } from './blobs';
import { Documents } from './documents';

const MEDIA_TYPE = 'application/json';

/** JSON values: small ones inline, large ones as blobs. */
export function createValues(blobs: Blobs) {
  const documents = new Documents(async (tenantId, ref) => parsed(ref, await blobs.get(tenantId, ref)));
  const part = async (tenantId: string, { of, pointer }: BlobPart): Promise<Json> =>
    structuredClone(valueAt(await documents.get(tenantId, of), tokensOf(pointer)) ?? null);
  // One after the other: a wide record must not take every connection of the pool at once.
  const load = async (tenantId: string, value: Value): Promise<Json> => {
    if ('inline' in value) return value.inline;
    if ('ref' in value) return parsed(value.ref, await blobs.get(tenantId, value.ref));
    if ('part' in value) return part(tenantId, value.part);
    if ('list' in value) {
      const items: Json[] = [];
      for (const item of value.list) items.push(await load(tenantId, item));
      return items;
    }
    const entries: [string, Json][] = [];
    for (const [key, item] of Object.entries(value.record)) entries.push([key, await load(tenantId, item)]);
    return Object.fromEntries(entries);
  };
  return {
    /** Above `inlineBytes` it becomes a blob. Throws INPUT_TOO_LARGE over LIMITS.blobBytes and LIMITS.valueDepth. */
    async store(tenantId: string, json: Json, inlineBytes: number = LIMITS.inlineValueBytes): Promise<Value> {
      if (isDeeperThan(json, LIMITS.valueDepth))
        throw new AppError(
          'INPUT_TOO_LARGE',
          `A value is nested deeper than ${LIMITS.valueDepth} levels (valueDepth): flatten it`,
        );
      const bytes = Buffer.from(encode(json));
      if (bytes.byteLength <= inlineBytes) return { inline: json };
      return { ref: await blobs.put(tenantId, bytes, MEDIA_TYPE) };
    },

    /** Throws INPUT_UNREADABLE where a reference is unknown to the tenant or holds no JSON. */
    load,
  };
}

function parsed(ref: BlobRef, bytes: Uint8Array): Json {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as Json;
  } catch (cause) {
    throw new AppError('INPUT_UNREADABLE', `The stored value ${ref.blob} is not JSON`, { cause });
  }
}
