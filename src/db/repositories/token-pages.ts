import { sql } from 'drizzle-orm';
import type { Pool } from 'pg';
import type { TokenChunk } from '../../protocol/token';
import { AppError } from '../../protocol/failures';
import { withTenant } from '../tenant-door';

/** Where one reader stands. */
export interface TokenCursor {
  readonly runId: string;
  readonly afterSeq: number;
  readonly limit: number;
}

interface Waiting {
  readonly cursor: TokenCursor;
  readonly resolve: (page: TokenChunk[]) => void;
  readonly reject: (error: unknown) => void;
}

type Row = Omit<TokenChunk, 'seq'> & { readonly reader: number; readonly seq: string };

/** Of a batch: whoever reads a long stream from its beginning must not fill the memory with many of its kind. */
const READERS_AT_ONCE = 50;

/**
 * Reads pages of token streams. All who read one tenant's streams while a query is under way are answered by the next one:
 * two hundred readers that one write has woken cost one query, not two hundred.
 */
export class TokenPages {
  private readonly waiting = new Map<string, Waiting[]>();
  private readonly reading = new Set<string>();

  constructor(private readonly pool: Pool) {}

  /** Throws INPUT_INVALID where the cursor is none: it must not spoil the page of whoever reads beside it. */
  async after(tenantId: string, cursor: TokenCursor): Promise<TokenChunk[]> {
    if (!Number.isSafeInteger(cursor.afterSeq))
      throw new AppError('INPUT_INVALID', `A cursor is a whole number, not ${cursor.afterSeq}`);
    return new Promise((resolve, reject) => {
      const others = this.waiting.get(tenantId) ?? [];
      others.push({ cursor, resolve, reject });
      this.waiting.set(tenantId, others);
      if (this.reading.has(tenantId)) return;
      this.reading.add(tenantId);
      // Those who were woken together ask in one turn of the event loop.
      setImmediate(() => void this.drain(tenantId));
    });
  }

  private async drain(tenantId: string): Promise<void> {
    for (;;) {
      const batch = this.waiting.get(tenantId)?.splice(0, READERS_AT_ONCE) ?? [];
      if (batch.length === 0) break;
      try {
        const pages = await this.read(
          tenantId,
          batch.map(({ cursor }) => cursor),
        );
        for (const [reader, { resolve }] of batch.entries()) resolve(pages[reader] ?? []);
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.waiting.delete(tenantId);
    this.reading.delete(tenantId);
  }

  /** A page for each cursor, in their order. */
  private async read(tenantId: string, cursors: readonly TokenCursor[]): Promise<TokenChunk[][]> {
    const list = (of: (cursor: TokenCursor) => string | number): string => `{${cursors.map(of).join(',')}}`;
    const { rows } = await withTenant(this.pool, tenantId, (tx) =>
      tx.execute<Row>(sql`
        select cursors.reader::integer - 1 as reader, page.seq, page.agent_run_id as "agentRunId",
               agent_runs.address, agent_runs.agent, page.attempt, page.call, page.kind, page.text, page.tool
          from unnest(${list((cursor) => cursor.runId)}::uuid[], ${list((cursor) => cursor.afterSeq)}::bigint[],
                      ${list((cursor) => cursor.limit)}::integer[])
                 with ordinality as cursors (run_id, after_seq, most, reader)
         cross join lateral (
           select * from ensemble.token_chunks
            where tenant_id = ${tenantId} and run_id = cursors.run_id and seq > cursors.after_seq
            order by seq limit cursors.most
         ) as page
          join ensemble.agent_runs
            on agent_runs.tenant_id = ${tenantId} and agent_runs.id = page.agent_run_id
         order by cursors.reader, page.seq`),
    );
    const pages = cursors.map((): TokenChunk[] => []);
    for (const { reader, seq, ...chunk } of rows) pages[reader]?.push({ ...chunk, seq: Number(seq) });
    return pages;
  }
}
