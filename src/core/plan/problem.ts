import type { AgentName } from '../../protocol/agent';
import type { JsonObject } from '../../protocol/json';

export type { PlanProblem } from '../../protocol/plan/problem';

/** What the catalogue says of an agent: JSON Schemas of what it takes and gives. Left out where that is not known. */
export interface AgentSchemas {
  /** Null: it takes no input. */
  readonly inputSchema?: JsonObject | null;
  readonly outputSchema?: JsonObject;
}

/** What a plan may name. */
export interface Catalogue {
  readonly agents: ReadonlyMap<AgentName, AgentSchemas>;
  /** Names of stored plans. */
  readonly plans?: ReadonlySet<string>;
}

/** Names to choose from, for a hint: enough to help, not a catalogue. */
export function listed(names: Iterable<string>, none: string): string {
  const all = [...new Set(names)].toSorted();
  if (all.length === 0) return none;
  const more = all.length > 20 ? `, and ${all.length - 20} more` : '';
  return `${all.slice(0, 20).join(', ')}${more}`;
}
