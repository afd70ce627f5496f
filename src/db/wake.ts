import type { Pool } from 'pg';

/** The channel to LISTEN on. A payload is `tenant:run`: no more than a hint to read on from a cursor. */
export const EVENTS_CHANNEL = 'ensemble_events';

const COALESCE_MS = 30;
/** A notification is committed like a write. Nobody needs this one on disk: it wakes for what is there already. */
const NOTIFY = `select set_config('synchronous_commit', 'off', true), pg_notify($1, payload)
  from unnest($2::text[]) as payload`;
const pending = new WeakMap<Pool, Set<string>>();

/**
 * Tells whoever listens that a run's story may have grown: after the commit, and together with whatever else
 * changes in the same moment. A hint lost with its process costs a reader one polling interval, never an event.
 */
export function wakeReaders(pool: Pool, payload: string): void {
  const waiting = pending.get(pool);
  if (waiting !== undefined) {
    waiting.add(payload);
    return;
  }
  const payloads = new Set([payload]);
  pending.set(pool, payloads);
  setTimeout(() => {
    pending.delete(pool);
    notify(pool, [...payloads]);
  }, COALESCE_MS).unref();
}

function notify(pool: Pool, payloads: readonly string[]): void {
  if (pool.ending) return;
  pool
    .query({ name: 'ensemble.notify', text: NOTIFY, values: [EVENTS_CHANNEL, payloads] })
    // Whatever is wrong with the connection, the next statement that matters will say so.
    .catch(() => {});
}
