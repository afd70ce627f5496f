import type { Repositories } from '../db/repositories';
import type { NewTokenChunk } from '../db/repositories/tokens';
import type { Logger } from '../telemetry/log';
import { isAway } from './kept';
import { type TokenSink, type TokenSource, TokenWriter } from './token-writer';

/** How long pieces are gathered: an eye sees no steps of this length. */
const BATCH_MS = 30;
/** Until the next try where PostgreSQL is not there. */
const RETRY_MS = 500;
/** Tenants whose pieces are written at once: the pool is there for agents first. */
const AT_ONCE = 2;

interface Batch {
  readonly tenantId: string;
  readonly writers: readonly TokenWriter[];
  readonly chunks: readonly NewTokenChunk[];
}

interface BatcherDeps {
  readonly repositories: Pick<Repositories, 'tokens'>;
  readonly log: Logger;
}

/** What all agents of this process stream, written together: one statement a tenant and 30 ms, however many stream. */
export class TokenBatcher implements TokenSink {
  private readonly waiting = new Set<TokenWriter>();
  /** Batches whose storing is not known to have succeeded, to be sent again as they are: their ordinals make that harmless. */
  private unsent: Batch[] = [];
  private timer: NodeJS.Timeout | undefined;
  private sending = false;
  private hurried = false;
  /** When a batch was last begun. */
  private begunAtMs = 0;

  constructor(private readonly deps: BatcherDeps) {}

  writer(source: TokenSource): TokenWriter {
    return new TokenWriter(source, this);
  }

  wants(writer: TokenWriter): void {
    this.waiting.add(writer);
    this.schedule(this.untilNext());
  }

  hurry(): void {
    this.hurried = true;
    clearTimeout(this.timer);
    this.timer = undefined;
    this.schedule(0);
  }

  /** Batches begin 30 ms after each other, however long they take; the first of a pause waits for others as long. */
  private untilNext(): number {
    const sinceMs = performance.now() - this.begunAtMs;
    return sinceMs < 2 * BATCH_MS ? Math.max(0, BATCH_MS - sinceMs) : BATCH_MS;
  }

  private schedule(ms: number): void {
    if (this.sending || this.timer !== undefined) return;
    this.timer = setTimeout(() => void this.send(), ms);
    this.timer.unref();
  }

  private async send(): Promise<void> {
    this.timer = undefined;
    this.sending = true;
    this.hurried = false;
    this.begunAtMs = performance.now();
    const batches = [...this.unsent, ...this.taken()].values();
    this.unsent = [];
    const lane = async (): Promise<void> => {
      for (const batch of batches) await this.store(batch);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, lane));
    this.sending = false;
    if (this.unsent.length > 0) this.schedule(RETRY_MS);
    else if (this.waiting.size > 0) this.schedule(this.hurried ? 0 : this.untilNext());
  }

  /** What has gathered, by tenant; a tenant that still has something to be sent again gathers on. */
  private taken(): Batch[] {
    const stuck = new Set(this.unsent.map(({ tenantId }) => tenantId));
    const byTenant = new Map<string, TokenWriter[]>();
    for (const writer of this.waiting) {
      const { tenantId } = writer.source;
      if (stuck.has(tenantId)) continue;
      this.waiting.delete(writer);
      byTenant.set(tenantId, [...(byTenant.get(tenantId) ?? []), writer]);
    }
    return [...byTenant].map(([tenantId, writers]) => ({
      tenantId,
      writers,
      chunks: writers.flatMap((writer) => writer.take()),
    }));
  }

  private async store(batch: Batch): Promise<void> {
    const { tenantId, chunks, writers } = batch;
    try {
      await this.deps.repositories.tokens.append(tenantId, chunks);
    } catch (err) {
      if (isAway(err)) {
        this.unsent.push(batch);
        return;
      }
      // The run does not depend on it; trying what is refused again would stop every other stream.
      this.deps.log.warn({ err, tenant: tenantId, chunks: chunks.length }, 'streamed tokens were not stored');
    }
    for (const writer of writers) writer.sent();
  }
}
