import { and, asc, eq, inArray, sql } from 'drizzle-orm';
import type { Pool } from 'pg';
import { z } from 'zod';
import type { TokenChunk } from '../../protocol/token';
import { parseStored } from '../answers';
import { AppendTokensAnswer } from '../answers-ledger';
import { runs } from '../schema/runs';
import { tokenStreams } from '../schema/tokens';
import { callQuietly, withSystem, withTenant } from '../tenant-door';
import { TOKENS_CHANNEL, wakeReaders } from '../wake';
import { passTurn, takeTurn } from './system-turn';
import { TokenPages } from './token-pages';

/** A piece of an attempt's stream. `ordinal` counts them from 1: the same one sent again changes nothing. */
export interface NewTokenChunk extends Omit<TokenChunk, 'seq' | 'address' | 'agent'> {
  readonly runId: string;
  readonly ordinal: number;
}

export interface TokenPage {
  /** 0 reads from the beginning. */
  readonly afterSeq: number;
  readonly limit: number;
}

/** What models are saying right now, for whoever watches. */
export function createTokens(pool: Pool) {
  const pages = new TokenPages(pool);
  return {
    /** Pieces of any number of runs at once; answers how many were stored. Those of attempts that are over are not. */
    async append(tenantId: string, chunks: readonly NewTokenChunk[]): Promise<number> {
      if (chunks.length === 0) return 0;
      const answer = await callQuietly(pool, 'append_tokens', { tenantId, body: { chunks } });
      for (const runId of new Set(chunks.map((chunk) => chunk.runId)))
        wakeReaders(pool, TOKENS_CHANNEL, `${tenantId}:${runId}`);
      return parseStored(AppendTokensAnswer, answer).count;
    },

    /** In order, from any cursor. A run that the tenant does not have has none. */
    after: (tenantId: string, runId: string, page: TokenPage) => pages.after(tenantId, { runId, ...page }),

    /** The next streams in turn, whoever's they are; none where another process has just had its turn. */
    takeStreams: (turn: StreamTurn) => takeStreams(pool, turn),

    /** Removes the streams of those runs that ended at least so long ago; answers how many. */
    expire: (tenantId: string, runIds: readonly string[], endedMsAgo: number) =>
      withTenant(pool, tenantId, async (tx): Promise<number> => {
        const over = tx
          .select({ id: runs.id })
          .from(runs)
          .where(
            and(
              eq(runs.tenantId, tenantId),
              inArray(runs.id, [...runIds]),
              sql`${runs.endedAt} < clock_timestamp() - make_interval(secs => ${endedMsAgo / 1000})`,
            ),
          );
        const { rowCount } = await tx
          .delete(tokenStreams)
          .where(and(eq(tokenStreams.tenantId, tenantId), inArray(tokenStreams.runId, over)));
        return rowCount ?? 0;
      }),
  };
}

/** A run that has streamed, whoever's it is. */
export interface StreamedRun {
  readonly tenantId: string;
  readonly runId: string;
}

export interface StreamTurn {
  /** No process gets a turn sooner than this after the last one. */
  readonly everyMs: number;
  readonly limit: number;
}

// What cannot be read is no reason to stop: the turn begins at the oldest run.
const Position = z.object({ runId: z.uuid(), tenantId: z.uuid() }).nullable().catch(null);

/** One turn for all processes of a database together, each going on where the last one stopped. */
async function takeStreams(pool: Pool, { everyMs, limit }: StreamTurn): Promise<StreamedRun[]> {
  return withSystem(pool, 'expire-tokens', async (tx) => {
    const taken = await takeTurn(tx, 'expire-tokens', everyMs);
    if (taken === undefined) return [];
    const after = Position.parse(taken.position);
    const streams = await tx
      .select({ tenantId: tokenStreams.tenantId, runId: tokenStreams.runId })
      .from(tokenStreams)
      .where(
        after === null
          ? undefined
          : sql`(${tokenStreams.runId}, ${tokenStreams.tenantId}) > (${after.runId}::uuid, ${after.tenantId}::uuid)`,
      )
      .orderBy(asc(tokenStreams.runId), asc(tokenStreams.tenantId))
      .limit(limit);
    const last = streams.length < limit ? undefined : streams.at(-1);
    await passTurn(tx, 'expire-tokens', last === undefined ? {} : { ...last });
    return streams;
  });
}
