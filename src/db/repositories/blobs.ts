import { createHash } from 'node:crypto';
import { and, eq } from 'drizzle-orm';
import type { Pool } from 'pg';
import { AppError } from '../../protocol/failures';
import type { BlobRef } from '../../protocol/json';
import { LIMITS } from '../../protocol/limits';
import { blobs } from '../schema/tenancy';
import { withTenant } from '../tenant-door';

/** Large values, kept once per tenant and content. */
export function createBlobs(pool: Pool) {
  return {
    /** Storing the same bytes again changes nothing. Throws INPUT_TOO_LARGE. */
    put: (tenantId: string, bytes: Uint8Array, mediaType: string) =>
      put(pool, { tenantId, bytes, mediaType }),

    /** Throws INPUT_UNREADABLE where the tenant has no such blob, or its bytes are others. */
    get: (tenantId: string, ref: BlobRef) => get(pool, tenantId, ref),
  };
}
export type Blobs = ReturnType<typeof createBlobs>;

interface NewBlob {
  readonly tenantId: string;
  readonly bytes: Uint8Array;
  readonly mediaType: string;
}

async function put(pool: Pool, { tenantId, bytes, mediaType }: NewBlob): Promise<BlobRef> {
  if (bytes.byteLength > LIMITS.blobBytes) {
    throw new AppError(
      'INPUT_TOO_LARGE',
      `A value has ${bytes.byteLength} bytes; the limit is ${LIMITS.blobBytes} (blobBytes): split it`,
    );
  }
  const sha256 = hash(bytes);
  await withTenant(pool, tenantId, async (tx) => {
    const key = and(eq(blobs.tenantId, tenantId), eq(blobs.sha256, sha256));
    // Attempts repeat their blobs: asking first spares the way for the bytes.
    const known = await tx.select({ sha256: blobs.sha256 }).from(blobs).where(key);
    if (known.length > 0) return;
    const data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    await tx
      .insert(blobs)
      .values({ tenantId, sha256, mediaType, bytes: bytes.byteLength, data })
      .onConflictDoNothing();
  });
  return { blob: sha256, bytes: bytes.byteLength, mediaType };
}

async function get(pool: Pool, tenantId: string, ref: BlobRef): Promise<Buffer> {
  const rows = await withTenant(pool, tenantId, (tx) =>
    tx
      .select({ data: blobs.data })
      .from(blobs)
      .where(and(eq(blobs.tenantId, tenantId), eq(blobs.sha256, ref.blob))),
  );
  const data = rows[0]?.data;
  if (data === undefined) throw new AppError('INPUT_UNREADABLE', `There is no stored value ${ref.blob}`);
  if (hash(data) !== ref.blob) {
    throw new AppError(
      'INPUT_UNREADABLE',
      `The stored value ${ref.blob} is damaged: its bytes have another hash`,
    );
  }
  return data;
}

function hash(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
