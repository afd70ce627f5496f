import type { AgentVersion } from '../protocol/agent';
import { AppError } from '../protocol/failures';
import type { ExecuteAgentInput } from '../protocol/run';
import type { AgentClass } from '../agents/base-agent';
import { definedAgent } from '../agents/defined-agent';
import type { LoadedAgent } from '../agents/loader';
import type { ModelProvider } from '../llm/port';
import type { ActivityDeps } from '.';

/** The agent that a run pinned, and the model that it works with. */
export interface ResolvedAgent {
  readonly agent: LoadedAgent;
  readonly model: ModelProvider;
}

export type AgentResolver = (input: ExecuteAgentInput) => Promise<ResolvedAgent>;

/** Definitions that a worker keeps at hand. */
const KEPT = 500;

/** Finds pinned agents: those of files among the loaded ones, those of data in PostgreSQL, by what the run pinned. */
export function createAgentResolver(deps: ActivityDeps): AgentResolver {
  const definitions = new Definitions(deps);
  return async ({ tenantId, agent: pinned }) => {
    const agent =
      pinned.defined === undefined
        ? loadedAgent(deps, pinned)
        : await definitions.agent(tenantId, pinned, pinned.defined);
    return { agent, model: modelOf(deps, pinned, agent.agentClass) };
  };
}

function loadedAgent({ agents }: ActivityDeps, { name }: AgentVersion): LoadedAgent {
  const loaded = agents.get(name);
  if (loaded === undefined)
    throw new AppError(
      'AGENT_NOT_LOADED',
      `This worker has no agent "${name}"; is its file in an agents folder?`,
    );
  return loaded;
}

/** Classes made of definitions. A version never changes, so what was made once stays true. */
class Definitions {
  private readonly made = new Map<string, LoadedAgent>();

  constructor(private readonly deps: ActivityDeps) {}

  async agent(tenantId: string, { name }: AgentVersion, version: number): Promise<LoadedAgent> {
    const key = `${tenantId}/${name}/${version}`;
    const agent = this.made.get(key) ?? (await this.make(tenantId, name, version));
    this.made.delete(key);
    this.made.set(key, agent);
    const [oldest] = this.made.keys();
    if (this.made.size > KEPT && oldest !== undefined) this.made.delete(oldest);
    return agent;
  }

  private async make(tenantId: string, name: string, version: number): Promise<LoadedAgent> {
    const row = await this.deps.repositories.agentDefinitions.find(tenantId, name, version);
    if (row === undefined)
      throw new AppError('AGENT_UNKNOWN', `There is no version ${version} of the defined agent "${name}"`);
    return definedAgent(row.definition, version);
  }
}

/** The model an agent asks for, with this worker's own keys; the worker's where it asks for none. */
function modelOf(deps: ActivityDeps, { name }: AgentVersion, { model: choice }: AgentClass): ModelProvider {
  if (choice === undefined) return deps.model;
  try {
    return deps.chooseModel(choice);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new AppError(
      'CONFIG_INVALID',
      `Agent "${name}" asks for ${choice.model} of ${choice.provider}, which this worker cannot call: ${why}. ` +
        'Configure every worker for it, or leave "model" out of the agent',
      { cause },
    );
  }
}
