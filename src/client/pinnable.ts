import { AgentLimits, type AgentVersion } from '../protocol/agent';
import { JsonObject } from '../protocol/json';
import type { AgentSchemas } from '../core/plan/problem';
import type { AgentDefinitionRow, CatalogueRow } from '../db/rows';
import { describeDefinition } from '../runtime/defined-agents';

/** An agent that a run may pin, and the schemas that its plan is checked against. */
export interface PinnableAgent {
  readonly version: AgentVersion;
  readonly schemas: AgentSchemas;
}

/** The version that a new run pins of each catalogued agent: the one a worker registered last. */
export function pinnable(catalogue: readonly CatalogueRow[]): readonly PinnableAgent[] {
  const newest = new Map<string, CatalogueRow>();
  for (const row of catalogue) {
    const other = newest.get(row.name);
    if (other === undefined || row.lastSeenAt >= other.lastSeenAt) newest.set(row.name, row);
  }
  return [...newest.values()].map(({ name, version, agentType, capabilities, manifest }) => ({
    version: {
      name,
      version,
      agentType,
      capabilities,
      timeoutMs: AgentLimits.catch(AgentLimits.parse({})).parse(manifest['limits']).timeoutMs,
    },
    schemas: schemasIn(manifest),
  }));
}

/** A version of an agent that a tenant defined as data. */
export function pinnableDefinition(row: AgentDefinitionRow): PinnableAgent {
  const { name, version, agentType, capabilities, limits, inputSchema, outputSchema } = describeDefinition(
    row.definition,
    row.version,
  );
  const { timeoutMs } = limits;
  return {
    version: { name, version, agentType, capabilities, timeoutMs, defined: row.version },
    schemas: { inputSchema, outputSchema },
  };
}

/** Of a manifest without schemas nothing is known, so nothing is refused. */
function schemasIn({ inputSchema, outputSchema }: JsonObject): AgentSchemas {
  const input = inputSchema === null ? null : JsonObject.safeParse(inputSchema).data;
  const output = JsonObject.safeParse(outputSchema).data;
  return {
    ...(input === undefined ? {} : { inputSchema: input }),
    ...(output === undefined ? {} : { outputSchema: output }),
  };
}
