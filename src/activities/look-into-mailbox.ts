import { documentOf } from '../core/bus/wanted';
import { holds } from '../core/predicate';
import type { LookIntoMailboxInput } from '../protocol/run';
import type { ActivityDeps } from '.';

/** Whether an agent that sleeps has got what it waits for. Where it has not, its bus wakes the run once it has. */
export function createLookIntoMailbox({ repositories: { messages, values } }: ActivityDeps) {
  return async (input: LookIntoMailboxInput): Promise<boolean> =>
    messages.lookInto(input, async (message, filter) => {
      if (filter === undefined) return true;
      const { ref } = message;
      const content = ref === undefined ? message.content : await values.load(input.tenantId, { ref });
      return holds(filter, documentOf({ ...message, content: content ?? null }));
    });
}
