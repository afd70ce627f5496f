import { factsOf } from '../core/facts';
import { AppError } from '../protocol/failures';
import { LIMITS } from '../protocol/limits';
import type { ListReading, ReadListInput } from '../protocol/run';
import type { ActivityDeps } from '.';

/**
 * Tells the workflow what it must know of a list that it never loads: its length, and what predicates ask of its entries.
 * Throws STEP_LIMIT where that is too much, INPUT_UNREADABLE.
 */
export function createReadList({ repositories }: ActivityDeps) {
  return async ({ tenantId, list, most, factsWanted }: ReadListInput): Promise<ListReading> => {
    const json = await repositories.values.load(tenantId, list);
    if (!Array.isArray(json)) return { length: null, facts: [] };
    const { length } = json;
    if (length > most || factsWanted.length === 0) return { length, facts: [] };
    const facts = json.map((entry) => factsOf(entry, factsWanted));
    const bytes = Buffer.byteLength(JSON.stringify(facts));
    if (bytes > LIMITS.entryFactsBytes)
      throw new AppError(
        'STEP_LIMIT',
        `What predicates ask of ${length} entries has ${bytes} bytes; the limit is ${LIMITS.entryFactsBytes} (entryFactsBytes): ask for less, or let the step's agent decide`,
      );
    return { length, facts };
  };
}
