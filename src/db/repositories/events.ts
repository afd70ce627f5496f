import { and, asc, eq, gt } from 'drizzle-orm';
import type { Pool } from 'pg';
import type { NewEvent, RunEvent } from '../../protocol/event';
import { AppError } from '../../protocol/failures';
import { AppendAnswer, knownRun, parseStored } from '../answers';
import { runEvents } from '../schema/runs';
import { callFunction, withTenant } from '../tenant-door';

export interface EventPage {
  /** 0 reads from the beginning. */
  readonly afterSeq: number;
  readonly limit: number;
}

/** A run's story. */
export function createEvents(pool: Pool) {
  return {
    /** In order and without a gap, from any cursor. A run that the tenant does not have has no events. */
    readAfter: (tenantId: string, runId: string, page: EventPage) =>
      withTenant(pool, tenantId, async (tx): Promise<RunEvent[]> => {
        const rows = await tx
          .select()
          .from(runEvents)
          .where(
            and(
              eq(runEvents.tenantId, tenantId),
              eq(runEvents.runId, runId),
              gt(runEvents.seq, page.afterSeq),
            ),
          )
          .orderBy(asc(runEvents.seq))
          .limit(page.limit);
        return rows.map(toEvent);
      }),

    /** Answers how many were new. Throws RUN_UNKNOWN, and RUN_FINAL for a new event after the run's end. */
    async append(tenantId: string, runId: string, events: readonly NewEvent[]): Promise<number> {
      const body = { runId, events };
      const answer = await callFunction(pool, 'append_run_events', { tenantId, body });
      const known = knownRun(parseStored(AppendAnswer, answer), runId);
      if (known.outcome === 'appended') return known.count;
      throw new AppError('RUN_FINAL', `Run ${runId} is ${known.status}; nothing can be added to its story`);
    },
  };
}

function toEvent(row: typeof runEvents.$inferSelect): RunEvent {
  return {
    runId: row.runId,
    seq: row.seq,
    key: row.key,
    type: row.type,
    data: row.data,
    at: row.at.toISOString(),
    ...(row.address === null ? {} : { address: row.address }),
    ...(row.agent === null ? {} : { agent: row.agent }),
  };
}
