import type { Client } from '@temporalio/client';

type Page = Awaited<ReturnType<Client['workflowService']['getWorkflowExecutionHistory']>>;
type HistoryEvent = NonNullable<NonNullable<Page['history']>['events']>[number];

/** Everything that a run's history says, in pages of one transaction each: the client takes no answer above 4 MB. */
async function* eventsOf(temporal: Client, runId: string): AsyncGenerator<HistoryEvent> {
  const request = {
    namespace: temporal.options.namespace,
    execution: { workflowId: `run-${runId}` },
    maximumPageSize: 1,
  };
  let nextPageToken: Uint8Array = new Uint8Array();
  do {
    const page = await temporal.workflowService.getWorkflowExecutionHistory({ ...request, nextPageToken });
    yield* page.history?.events ?? [];
    ({ nextPageToken } = page);
  } while (nextPageToken.length > 0);
}

export async function historyOf(temporal: Client, runId: string): Promise<readonly HistoryEvent[]> {
  const events: HistoryEvent[] = [];
  for await (const event of eventsOf(temporal, runId)) events.push(event);
  return events;
}

/** Whether the first workflow task was handed to whoever started the run. */
export async function isEager(temporal: Client, runId: string): Promise<boolean> {
  const { value: first } = await eventsOf(temporal, runId).next();
  return first?.workflowExecutionStartedEventAttributes?.eagerExecutionAccepted === true;
}

/** How often a run's history tells of something, by the name of its attributes without `EventAttributes`. */
export async function countsOf(temporal: Client, runId: string): Promise<Readonly<Record<string, number>>> {
  const counts: Record<string, number> = {};
  for (const event of await historyOf(temporal, runId))
    for (const [name, attributes] of Object.entries(event)) {
      if (!name.endsWith('EventAttributes') || attributes === null || attributes === undefined) continue;
      const kind = name.replace(/EventAttributes$/, '');
      counts[kind] = (counts[kind] ?? 0) + 1;
    }
  return counts;
}

/** Every text in a history, payloads as they were sent: JSON would show their bytes as base64. */
export function textsIn(part: unknown): string {
  if (typeof part === 'string') return part;
  if (part instanceof Uint8Array) return Buffer.from(part).toString();
  if (typeof part !== 'object' || part === null) return '';
  return Object.entries(part)
    .map(([key, value]) => `${key} ${textsIn(value)}`)
    .join('\n');
}

/** Whether an activity of a type is under way or waits for somebody, in its nth attempt or a later one. */
export async function isPending(
  temporal: Client,
  runId: string,
  { type, attempt = 1 }: { readonly type: string; readonly attempt?: number },
): Promise<boolean> {
  const { raw } = await temporal.workflow.getHandle(`run-${runId}`).describe();
  return (raw.pendingActivities ?? []).some(
    (pending) => pending.activityType?.name === type && (pending.attempt ?? 0) >= attempt,
  );
}
