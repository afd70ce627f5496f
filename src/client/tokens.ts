import type { TokenChunk } from '../protocol/token';
import { TOKENS_CHANNEL } from '../db/wake';
import type { TokenOptions } from './ensemble-client';
import { findRun, type FollowedRuns } from './find-run';

const PAGE = 500;
/** How long a reader sleeps at most: a wake-up can be lost with its connection. */
const SLEEP_MS = 1_000;

/** Follows what a run's models are saying, from a cursor until the run has ended; nothing is yielded twice. */
export async function* readTokens(
  source: FollowedRuns,
  runId: string,
  { after = 0, signal }: TokenOptions,
): AsyncIterable<TokenChunk> {
  const { repositories, notifications, tenantId } = source;
  let { endedAt } = await findRun(source, runId);
  // The run's story wakes too: it says when there is nothing more to come.
  using watch = notifications.watch(runId, TOKENS_CHANNEL);
  for (let cursor = after; ;) {
    const page = await repositories.tokens.after(tenantId, runId, { afterSeq: cursor, limit: PAGE });
    for (const chunk of page) {
      cursor = chunk.seq;
      yield chunk;
    }
    if (page.length === PAGE) continue;
    // Everything is stored before the run's end is; so it ends only where the end was known before this page was read.
    if (endedAt !== null) return;
    if (page.length === 0) ({ endedAt } = await findRun(source, runId));
    if (endedAt === null) await watch.changed(SLEEP_MS, signal);
  }
}
