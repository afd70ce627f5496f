import { AgentLimits, type AgentVersion } from '../protocol/agent';
import type { CatalogueRow } from '../db/rows';

/** The version that a new run pins of each catalogued agent: the one a worker registered last. */
export function pinnable(catalogue: readonly CatalogueRow[]): readonly AgentVersion[] {
  const newest = new Map<string, CatalogueRow>();
  for (const row of catalogue) {
    const other = newest.get(row.name);
    if (other === undefined || row.lastSeenAt >= other.lastSeenAt) newest.set(row.name, row);
  }
  return [...newest.values()].map(({ name, version, agentType, capabilities, manifest }) => ({
    name,
    version,
    agentType,
    capabilities,
    timeoutMs: AgentLimits.catch(AgentLimits.parse({})).parse(manifest['limits']).timeoutMs,
  }));
}
