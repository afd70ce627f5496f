import { z } from 'zod';
import { AgentName } from '../protocol/agent';
import { AgentDefinition, type AgentDefinitionInput } from '../protocol/agent-definition';
import { AppError, type Problem } from '../protocol/failures';
import { LIMITS } from '../protocol/limits';
import { unstorable } from '../core/text';
import type { Repositories } from '../db/repositories';
import { problemsOfDefinition } from '../runtime/defined-agents';
import type { DefinedAgent, DefinedAgents, SavedVersion } from './ensemble-client';
import { refuseAny } from './refusal';

interface Source {
  readonly repositories: Pick<Repositories, 'agents' | 'agentDefinitions'>;
  readonly tenantId: string;
}

/** Agents as data, over PostgreSQL. */
export function createDefinedAgents({ repositories, tenantId }: Source): DefinedAgents {
  const { agentDefinitions } = repositories;
  return {
    define: (definition) => define({ repositories, tenantId }, definition),

    list: () => agentDefinitions.newest(tenantId),

    async get(name, version): Promise<DefinedAgent> {
      const row = isKey(name, version) ? await agentDefinitions.find(tenantId, name, version) : undefined;
      if (row === undefined) throw unknownAgent(name, version);
      return row;
    },

    async retire(name) {
      if (isKey(name) && (await agentDefinitions.retire(tenantId, name))) return;
      // Retired before: whoever asks again is told the same.
      if (!isKey(name) || (await agentDefinitions.find(tenantId, name, 1)) === undefined)
        throw unknownAgent(name);
    },
  };
}

async function define(
  { repositories, tenantId }: Source,
  given: AgentDefinitionInput,
): Promise<SavedVersion> {
  const problems = [
    ...problemsOfDefinition(given),
    ...characterProblems(given),
    ...(await nameProblems(repositories.agents, given)),
  ];
  refuseAny([{ code: 'INPUT_INVALID', problems }]);
  const definition = AgentDefinition.parse(given);
  return { name: definition.name, ...(await repositories.agentDefinitions.save(tenantId, definition)) };
}

function characterProblems(given: unknown): readonly Problem[] {
  return Object.entries(AgentDefinition.safeParse(given).data ?? {}).flatMap(([path, value]) => {
    const character = unstorable(JSON.stringify(value));
    return character === undefined ? [] : { path, message: `holds ${character}`, hint: 'remove it' };
  });
}

/** Where both had one name, a plan would not say which is meant. */
async function nameProblems(agents: Repositories['agents'], given: unknown): Promise<readonly Problem[]> {
  const name = Named.safeParse(given).data?.name;
  const taken = name !== undefined && (await agents.list()).some((agent) => agent.name === name);
  if (!taken) return [];
  return [
    { path: 'name', message: `"${name}" is an agent of the workers already`, hint: 'choose another name' },
  ];
}

const Named = z.object({ name: AgentName });

function isKey(name: string, version = 1): boolean {
  return (
    AgentName.safeParse(name).success &&
    Number.isInteger(version) &&
    version >= 1 &&
    version <= LIMITS.versions
  );
}

function unknownAgent(name: string, version?: number): AppError {
  const which = version === undefined ? '' : ` in version ${version}`;
  return new AppError('AGENT_UNKNOWN', `No agent "${String(name).slice(0, 80)}" is defined here${which}`);
}
