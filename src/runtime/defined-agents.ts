import type { Problem } from '../protocol/failures';
import { type AgentDefinition, definitionProblems } from '../protocol/agent-definition';
import { definedAgent } from '../agents/defined-agent';
import { type AgentDescription, describeAgent } from '../agents/describe';
import { TOOL_NAMES } from '../agents/tools';

/** Every problem of what is to become a defined agent, tools included. */
export function problemsOfDefinition(given: unknown): readonly Problem[] {
  return definitionProblems(given, TOOL_NAMES);
}

/** A defined agent as the catalogue would show it. */
export function describeDefinition(definition: AgentDefinition, version: number): AgentDescription {
  return describeAgent(definedAgent(definition, version).manifest);
}
