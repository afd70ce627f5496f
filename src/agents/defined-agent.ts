import { AgentManifest } from '../protocol/agent';
import type { AgentDefinition } from '../protocol/agent-definition';
import { customAgent } from './custom-agent';
import type { LoadedAgent } from './loader';

/** The agent of a tenant's definition. Version 3 of it is 3.0.0, since agents have semantic versions. */
export function definedAgent(definition: AgentDefinition, version: number): LoadedAgent {
  const agentClass = customAgent(definition, `${version}.0.0`);
  const manifest = AgentManifest.parse(agentClass.manifest);
  return { manifest, agentClass, file: `definition ${manifest.name}, version ${version}` };
}
