import { z } from 'zod';
import type { AgentLimits, AgentManifest } from '../protocol/agent';
import { AppError } from '../protocol/failures';
import type { JsonObject } from '../protocol/json';

/** An agent as the catalogue shows it: its manifest with JSON Schemas in place of zod. */
export interface AgentDescription {
  readonly name: string;
  readonly version: string;
  readonly description: string;
  readonly agentType: AgentManifest['agentType'];
  readonly capabilities: readonly string[];
  readonly limits: AgentLimits;
  /** What a step may pass to it; null where it takes nothing. */
  readonly inputSchema: JsonObject | null;
  readonly outputSchema: JsonObject;
}

/** Describes an agent in JSON. Throws AGENT_NOT_LOADED where one of its schemas has no counterpart in JSON Schema. */
export function describeAgent(manifest: AgentManifest): AgentDescription {
  const { name, version, description, agentType, capabilities, limits, input, output } = manifest;
  return {
    name,
    version,
    description,
    agentType,
    capabilities,
    limits,
    inputSchema: input === undefined ? null : toJsonSchema('input', input),
    outputSchema: toJsonSchema('output', output),
  };
}

function toJsonSchema(io: 'input' | 'output', schema: z.ZodType): JsonObject {
  try {
    // A copy, since zod adds what is not JSON to its result.
    return JSON.parse(JSON.stringify(z.toJSONSchema(schema, { io }))) as JsonObject;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new AppError('AGENT_NOT_LOADED', `the ${io} schema has no JSON Schema: ${why}`);
  }
}
