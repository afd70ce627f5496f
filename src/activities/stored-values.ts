import { factsOf } from '../core/facts';
import type { Repositories } from '../db/repositories';
import type { Json, Value } from '../protocol/json';
import type { FactsByBlob, StoredValues, StoreValuesInput } from '../protocol/run';
import type { ActivityDeps } from '.';

interface Storing {
  readonly tenantId: string;
  readonly json: Json;
  /** Pointers that predicates ask for; answered where the value becomes a blob. */
  readonly factsWanted: readonly string[];
  /** Default: LIMITS.inlineValueBytes. */
  readonly inlineBytes?: number | undefined;
}

/** Stores a value, and says what is asked of it where the workflow will not have it. */
export async function storeWithFacts(
  { values }: Repositories,
  { tenantId, json, factsWanted, inlineBytes }: Storing,
): Promise<{ readonly value: Value; readonly facts: FactsByBlob }> {
  const value = await values.store(tenantId, json, inlineBytes);
  const known = 'ref' in value && factsWanted.length > 0;
  return { value, facts: known ? { [value.ref.blob]: factsOf(json, factsWanted) } : {} };
}

/** Makes blobs of values, whatever their size. */
export function createStoreValues({ repositories }: ActivityDeps) {
  return async ({ tenantId, values, factsWanted }: StoreValuesInput): Promise<StoredValues> => {
    const stored: Value[] = [];
    const facts: Record<string, FactsByBlob[string]> = {};
    for (const json of values) {
      const one = await storeWithFacts(repositories, { tenantId, json, factsWanted, inlineBytes: 0 });
      stored.push(one.value);
      Object.assign(facts, one.facts);
    }
    return { values: stored, facts };
  };
}
