import type { Pool } from 'pg';

/** The channel of runs' stories. A payload is `tenant:run`: no more than a hint to read on from a cursor. */
export const EVENTS_CHANNEL = 'ensemble_events';
/** The channel of what models are saying, apart: it is busy, and few listen. */
export const TOKENS_CHANNEL = 'ensemble_tokens';
/** The channel of runs' messages: somebody waits for every one of them. */
export const MESSAGES_CHANNEL = 'ensemble_messages';
export type Channel = typeof EVENTS_CHANNEL | typeof TOKENS_CHANNEL | typeof MESSAGES_CHANNEL;

/** How long a hint waits for others to go with it; tokens are gathered before they are written. */
const COALESCE_MS: Readonly<Record<Channel, number>> = {
  [EVENTS_CHANNEL]: 30,
  [TOKENS_CHANNEL]: 0,
  [MESSAGES_CHANNEL]: 3,
};
/** A notification is committed like a write. Nobody needs this one on disk: it wakes for what is there already. */
const NOTIFY = `select set_config('synchronous_commit', 'off', true), pg_notify($1, payload)
  from unnest($2::text[]) as payload`;
const pending = new WeakMap<Pool, Map<Channel, Set<string>>>();

/**
 * Tells whoever listens that a run's story, or its stream, may have grown: after the commit, and together with whatever
 * else changes in the same moment. A hint lost with its process costs a reader one polling interval, never an event.
 */
export function wakeReaders(pool: Pool, channel: Channel, payload: string): void {
  const channels = pending.get(pool) ?? new Map<Channel, Set<string>>();
  pending.set(pool, channels);
  const waiting = channels.get(channel);
  if (waiting !== undefined) {
    waiting.add(payload);
    return;
  }
  const payloads = new Set([payload]);
  channels.set(channel, payloads);
  setTimeout(() => {
    channels.delete(channel);
    notify(pool, channel, [...payloads]);
  }, COALESCE_MS[channel]).unref();
}

function notify(pool: Pool, channel: Channel, payloads: readonly string[]): void {
  if (pool.ending) return;
  pool
    .query({ name: 'ensemble.notify', text: NOTIFY, values: [channel, payloads] })
    // Whatever is wrong with the connection, the next statement that matters will say so.
    .catch(() => {});
}
