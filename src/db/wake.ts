import type { Pool } from 'pg';

/** The channel of runs' stories. A payload is `tenant:run`: no more than a hint to read on from a cursor. */
export const EVENTS_CHANNEL = 'ensemble_events';
/** The channel of what models are saying, apart: it is busy, and few listen. */
export const TOKENS_CHANNEL = 'ensemble_tokens';
/** The channel of runs' messages: somebody waits for every one of them. */
export const MESSAGES_CHANNEL = 'ensemble_messages';
export type Channel = typeof EVENTS_CHANNEL | typeof TOKENS_CHANNEL | typeof MESSAGES_CHANNEL;

interface Pace {
  /** How long a hint waits for others to go with it. */
  readonly gatherMs: number;
  /** How long at least from one notification to the next. */
  readonly pauseMs: number;
}

/**
 * Where one event chases another, a notification of each 30 ms took 2.6 % of every agent's time (measured); whoever follows
 * a story is a person, or can wait as long. Tokens are gathered before they are written.
 */
const PACES: Readonly<Record<Channel, Pace>> = {
  [EVENTS_CHANNEL]: { gatherMs: 30, pauseMs: 150 },
  [TOKENS_CHANNEL]: { gatherMs: 0, pauseMs: 0 },
  [MESSAGES_CHANNEL]: { gatherMs: 3, pauseMs: 0 },
};
/** A notification is committed like a write. Nobody needs this one on disk: it wakes for what is there already. */
const NOTIFY = `select set_config('synchronous_commit', 'off', true), pg_notify($1, payload)
  from unnest($2::text[]) as payload`;

/** What waits to be told on a channel, if anything, and not before when. */
interface Gathering {
  payloads: Set<string> | undefined;
  notBefore: number;
}
const gatherings = new WeakMap<Pool, Map<Channel, Gathering>>();

/**
 * Tells whoever listens that a run's story, or its stream, may have grown: after the commit, and together with whatever
 * else changes in the same moment. A hint lost with its process costs a reader one polling interval, never an event.
 */
export function wakeReaders(pool: Pool, channel: Channel, payload: string): void {
  const gathering = gatheringOf(pool, channel);
  if (gathering.payloads !== undefined) return void gathering.payloads.add(payload);
  const payloads = new Set([payload]);
  gathering.payloads = payloads;
  const { gatherMs, pauseMs } = PACES[channel];
  setTimeout(
    () => {
      gathering.payloads = undefined;
      gathering.notBefore = performance.now() + pauseMs;
      notify(pool, channel, [...payloads]);
    },
    Math.max(gatherMs, gathering.notBefore - performance.now()),
  ).unref();
}

function gatheringOf(pool: Pool, channel: Channel): Gathering {
  const channels = gatherings.get(pool) ?? new Map<Channel, Gathering>();
  gatherings.set(pool, channels);
  const gathering = channels.get(channel) ?? { payloads: undefined, notBefore: 0 };
  channels.set(channel, gathering);
  return gathering;
}

function notify(pool: Pool, channel: Channel, payloads: readonly string[]): void {
  if (pool.ending) return;
  pool
    .query({ name: 'ensemble.notify', text: NOTIFY, values: [channel, payloads] })
    // Whatever is wrong with the connection, the next statement that matters will say so.
    .catch(() => {});
}
