import type { Client } from '@temporalio/client';
import { decodeFromPayloadsAtIndex } from '@temporalio/common/lib/internal-non-workflow';
import { z } from 'zod';
import type { Activities } from '../activities';
import { EVENT_TYPES, type NewEvent } from '../protocol/event';
import { AppError } from '../protocol/failures';
import { JsonObject } from '../protocol/json';
import { workflowIdOf } from '../core/ids';

/** The server counts transactions, not events; the client takes no answer above 4 MB, and one of them may come near. */
const TRANSACTIONS_PER_PAGE = 1;

const CARRIERS: ReadonlySet<string> = new Set<keyof Activities>(['executeAgent', 'settleAgent']);

const Carrier = z.object({
  events: z.array(
    z.object({
      key: z.string(),
      type: z.enum(EVENT_TYPES),
      address: z.string().optional(),
      agent: z.string().optional(),
      data: JsonObject,
    }),
  ),
});

/**
 * The decisions that ride in the last activity which a closed workflow had scheduled. Where that activity never started,
 * its input is the only place that knows of them; it holds all that were pending then. Those in the log are there already,
 * under the same keys. Throws TEMPORAL_UNAVAILABLE.
 */
export async function carriedDecisions(temporal: Client, runId: string): Promise<readonly NewEvent[]> {
  const { loadedDataConverter } = temporal.options;
  for await (const { activityTaskScheduledEventAttributes: scheduled } of latestFirst(temporal, runId)) {
    if (!CARRIERS.has(scheduled?.activityType?.name ?? '')) continue;
    const payloads = scheduled?.input?.payloads;
    const carrier = Carrier.safeParse(await decodeFromPayloadsAtIndex(loadedDataConverter, 0, payloads));
    return carrier.success ? carrier.data.events.map(toEvent) : [];
  }
  return [];
}

async function* latestFirst({ workflowService, options: { namespace } }: Client, runId: string) {
  const request = {
    namespace,
    execution: { workflowId: workflowIdOf(runId) },
    maximumPageSize: TRANSACTIONS_PER_PAGE,
  };
  let nextPageToken: Uint8Array = new Uint8Array();
  do {
    const page = await workflowService
      .getWorkflowExecutionHistoryReverse({ ...request, nextPageToken })
      .catch((cause: unknown) => {
        const text = `Temporal cannot say what run ${runId} had decided: ${String(cause)}`;
        throw new AppError('TEMPORAL_UNAVAILABLE', text, { cause });
      });
    yield* page.history?.events ?? [];
    ({ nextPageToken } = page);
  } while (nextPageToken.length > 0);
}

function toEvent({ address, agent, ...rest }: z.infer<typeof Carrier>['events'][number]): NewEvent {
  return {
    ...rest,
    ...(address === undefined ? {} : { address }),
    ...(agent === undefined ? {} : { agent }),
  };
}
