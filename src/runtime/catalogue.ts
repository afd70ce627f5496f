import { describeAgent } from '../agents/describe';
import type { LoadedAgent } from '../agents/loader';
import type { Repositories } from '../db/repositories';

/** Tells the catalogue what this worker can run: clients validate plans against it without loading any agent. */
export async function registerAgents(
  repositories: Repositories,
  agents: ReadonlyMap<string, LoadedAgent>,
): Promise<void> {
  for (const { manifest } of agents.values()) {
    const { name, version, agentType, capabilities, ...rest } = describeAgent(manifest);
    await repositories.agents.upsert({ name, version, agentType, capabilities, manifest: { ...rest } });
  }
}
