import { and, asc, eq, lt, sql } from 'drizzle-orm';
import type { Pool } from 'pg';
import { uuidv7 } from 'uuidv7';
import { z } from 'zod';
import type { JsonObject } from '../../protocol/json';
import { runs } from '../schema/runs';
import { auditLog } from '../schema/system';
import { type SystemPurpose, type Tx, withSystem } from '../tenant-door';
import { ago, passTurn, takeTurn } from './system-turn';

/** An accepted run that has not ended, whoever's it is. */
export interface UnfinishedRun {
  readonly tenantId: string;
  readonly runId: string;
}

export interface UnfinishedTurn {
  /** Only runs accepted at least this long ago. */
  readonly olderThanMs: number;
  /** No process gets a turn sooner than this after the last one. */
  readonly everyMs: number;
  /** At most so many queued runs, and as many running ones. */
  readonly limit: number;
}

/** What somebody did after looking through the second door. */
export interface AuditEntry {
  /** Whose rows it changed; null where it was nobody's. */
  readonly tenantId: string | null;
  /** The process that acted. */
  readonly actor: string;
  readonly detail: JsonObject;
}

/** Work that belongs to no tenant. */
export function createSystem(pool: Pool) {
  return {
    /** The next unfinished runs in turn, oldest first; none where another process has just had its turn. */
    takeUnfinished: (turn: UnfinishedTurn) => takeUnfinished(pool, turn),

    async audit(purpose: SystemPurpose, entries: readonly AuditEntry[]): Promise<void> {
      if (entries.length === 0) return;
      const rows = entries.map((entry) => ({ ...entry, id: uuidv7(), purpose }));
      await withSystem(pool, purpose, (tx) => tx.insert(auditLog).values(rows));
    },
  };
}

/** Where a lane's last turn stopped: everything up to this run, in order, has had its turn. */
const Place = z.object({ runId: z.uuid(), tenantId: z.uuid() });
type Place = z.infer<typeof Place>;

// What cannot be read is no reason to stop: the turn begins at the oldest run.
const Position = z.object({ queued: Place, running: Place }).partial().catch({});

/**
 * One turn for all processes of a database together, each going on where the last one stopped: however many healthy
 * runs there are, every other one is reached. Queued and running ones are two lanes, so that a run which nobody
 * started never waits behind thousands that merely take long.
 */
async function takeUnfinished(pool: Pool, turn: UnfinishedTurn): Promise<UnfinishedRun[]> {
  return withSystem(pool, 'reconcile', async (tx) => {
    const taken = await takeTurn(tx, 'reconcile', turn.everyMs);
    if (taken === undefined) return [];
    const { queued: afterQueued, running: afterRunning } = Position.parse(taken.position);
    const queued = await page(tx, turn, { status: 'queued', after: afterQueued });
    const running = await page(tx, turn, { status: 'running', after: afterRunning });
    // Passed on before the work is done: a run that kills or delays whoever looks at it must not be the next
    // one's first again. It has its turn in the next round, as every run has.
    const position = { ...placed('queued', queued, turn), ...placed('running', running, turn) };
    await passTurn(tx, 'reconcile', position);
    return [...queued, ...running];
  });
}

interface Lane {
  readonly status: 'queued' | 'running';
  readonly after: Place | undefined;
}

function page(tx: Tx, { olderThanMs, limit }: UnfinishedTurn, { status, after }: Lane): Promise<Place[]> {
  // UUIDv7 sorts by time; an id of another kind has its place in this order too.
  const beyond =
    after && sql`(${runs.id}, ${runs.tenantId}) > (${after.runId}::uuid, ${after.tenantId}::uuid)`;
  return tx
    .select({ runId: runs.id, tenantId: runs.tenantId })
    .from(runs)
    .where(and(eq(runs.status, status), lt(runs.createdAt, ago(olderThanMs)), beyond))
    .orderBy(asc(runs.id), asc(runs.tenantId))
    .limit(limit);
}

/** Where the lane goes on; at the oldest run again after a page that was not full. */
function placed(lane: Lane['status'], rows: readonly Place[], { limit }: UnfinishedTurn): JsonObject {
  const last = rows.length < limit ? undefined : rows.at(-1);
  return last === undefined ? {} : { [lane]: { ...last } };
}
