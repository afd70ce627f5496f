import type { Repositories } from '../db/repositories';
import type { Logger } from '../telemetry/log';
import { startRecurring } from './recurring';

export interface ExpiryOptions {
  readonly repositories: Repositories;
  /** Who is written into the audit log. */
  readonly actor: string;
  readonly log: Logger;
}

/** The pace of all processes of one database together. */
const INTERVAL_MS = 5 * 60_000;
/** How long after a run's end its stream can still be read. */
const KEPT_MS = 60 * 60_000;
const BATCH = 1_000;

/** Removes streams that nobody watches any more, for as long as it is not disposed; no error ends it. */
export function startTokenExpiry(options: ExpiryOptions): AsyncDisposable {
  return startRecurring({
    intervalMs: INTERVAL_MS,
    turn: () => expireTokens(options, KEPT_MS),
    failed: (err) =>
      options.log.error({ err }, 'old token streams could not be removed; the next turn tries again'),
  });
}

/** One turn: removes the streams of runs that ended at least so long ago, tenant by tenant; audited like any such use. */
export async function expireTokens(
  { repositories, actor }: Omit<ExpiryOptions, 'log'>,
  endedMsAgo: number,
): Promise<void> {
  const streams = await repositories.tokens.takeStreams({ everyMs: INTERVAL_MS * 0.75, limit: BATCH });
  for (const tenantId of new Set(streams.map((stream) => stream.tenantId))) {
    const runIds = streams.flatMap((stream) => (stream.tenantId === tenantId ? stream.runId : []));
    const removed = await repositories.tokens.expire(tenantId, runIds, endedMsAgo);
    if (removed > 0)
      await repositories.system.audit('expire-tokens', [{ tenantId, actor, detail: { removed } }]);
  }
}
