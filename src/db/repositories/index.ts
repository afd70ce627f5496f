import type { Pool } from 'pg';
import { createAgentDefinitions } from './agent-definitions';
import { createAgentRuns } from './agent-runs';
import { createAgents } from './agents';
import { createBlobs } from './blobs';
import { createContext } from './context';
import { createEvents } from './events';
import { createJournal } from './journal';
import { createModelCalls } from './model-calls';
import { createPlans } from './plans';
import { createProjects } from './projects';
import { createRuns } from './runs';
import { createSystem } from './system';
import { createTenants } from './tenants';
import { createTokens } from './tokens';
import { createToolCalls } from './tool-calls';
import { createValues } from './values';

/** Everything that reads and writes PostgreSQL, over one pool. */
export function createRepositories(pool: Pool) {
  const blobs = createBlobs(pool);
  return {
    tenants: createTenants(pool),
    projects: createProjects(pool),
    runs: createRuns(pool),
    agentRuns: createAgentRuns(pool),
    events: createEvents(pool),
    toolCalls: createToolCalls(pool),
    journal: createJournal(pool),
    context: createContext(pool),
    modelCalls: createModelCalls(pool),
    tokens: createTokens(pool),
    blobs,
    values: createValues(blobs),
    agents: createAgents(pool),
    agentDefinitions: createAgentDefinitions(pool),
    plans: createPlans(pool),
    system: createSystem(pool),
  };
}
export type Repositories = ReturnType<typeof createRepositories>;
