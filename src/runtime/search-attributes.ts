import type { Client } from '@temporalio/client';
import { defineSearchAttributeKey, type SearchAttributePair } from '@temporalio/common';
import { SEARCH_ATTRIBUTES } from '../core/search-attributes';
import type { AcceptedRun } from './start-run';

const registered = new WeakMap<Client, Promise<ReadonlySet<string>>>();

/** The search attributes of a run, those that the server knows: one that is not registered would refuse the start. */
export async function searchAttributesOf(
  client: Client,
  { tenantId, projectId, plan }: AcceptedRun,
): Promise<SearchAttributePair[]> {
  const known = registered.get(client) ?? registeredOn(client);
  registered.set(client, known);
  const names = await known;
  const values = { tenant: tenantId, project: projectId, strategy: plan.type } as const;
  return Object.entries(SEARCH_ATTRIBUTES).flatMap(([what, name]) =>
    names.has(name)
      ? [{ key: defineSearchAttributeKey(name, 'KEYWORD'), value: values[what as keyof typeof values] }]
      : [],
  );
}

/** Asked once per client. A server that does not say, as where listing is not allowed, has none: they are a convenience. */
async function registeredOn(client: Client): Promise<ReadonlySet<string>> {
  try {
    const { customAttributes } = await client.connection.operatorService.listSearchAttributes({
      namespace: client.options.namespace,
    });
    return new Set(Object.keys(customAttributes ?? {}));
  } catch {
    return new Set();
  }
}
