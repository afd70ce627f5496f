import type { RunEvent } from '../protocol/event';
import type { EventOptions } from './ensemble-client';
import { findRun, type FollowedRuns } from './find-run';

const PAGE = 200;
/** How long a reader sleeps at most: a wake-up can be lost with its connection, an event cannot. */
const SLEEP_MS = 1_000;
const LAST = new Set(['run.completed', 'run.failed', 'run.cancelled']);

/** Follows a run's events from a cursor; gap-free numbers make missing one impossible, repeating one too. */
export async function* readEvents(
  { repositories, notifications, tenantId }: FollowedRuns,
  runId: string,
  { after = 0, signal }: EventOptions,
): AsyncIterable<RunEvent> {
  const row = await findRun({ repositories, tenantId }, runId);
  // Nothing follows the end: a cursor at or behind it has nothing to wait for.
  if (row.endedAt !== null && after >= row.lastEventSeq) return;
  using watch = notifications.watch(runId);
  for (let cursor = after; ;) {
    const page = await repositories.events.readAfter(tenantId, runId, { afterSeq: cursor, limit: PAGE });
    for (const event of page) {
      cursor = event.seq;
      yield event;
      if (LAST.has(event.type)) return;
    }
    if (page.length < PAGE) await watch.changed(SLEEP_MS, signal);
  }
}
