import { and, eq, isNull, lt, or, type SQL, sql } from 'drizzle-orm';
import { systemJobs } from '../schema/system';
import type { SystemPurpose, Tx } from '../tenant-door';

/**
 * Takes the one turn that all processes of a database share, and holds it for the transaction. Answers where the last turn
 * stopped, or undefined where another process has just had its turn.
 */
export async function takeTurn(
  tx: Tx,
  purpose: SystemPurpose,
  everyMs: number,
): Promise<{ readonly position: unknown } | undefined> {
  const due = or(isNull(systemJobs.takenAt), lt(systemJobs.takenAt, ago(everyMs)));
  const [taken] = await tx
    .select({ position: systemJobs.position })
    .from(systemJobs)
    .where(and(eq(systemJobs.purpose, purpose), due))
    .for('update', { skipLocked: true });
  return taken;
}

/** Says where the next turn goes on. */
export async function passTurn(
  tx: Tx,
  purpose: SystemPurpose,
  position: typeof systemJobs.$inferInsert.position,
): Promise<void> {
  await tx
    .update(systemJobs)
    .set({ position, takenAt: sql`clock_timestamp()` })
    .where(eq(systemJobs.purpose, purpose));
}

export function ago(ms: number): SQL {
  return sql`clock_timestamp() - make_interval(secs => ${ms / 1000})`;
}
