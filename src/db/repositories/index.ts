import type { Pool } from 'pg';
import { createAgentRuns } from './agent-runs';
import { createAgents } from './agents';
import { createBlobs } from './blobs';
import { createEvents } from './events';
import { createProjects } from './projects';
import { createRuns } from './runs';
import { createSystem } from './system';
import { createTenants } from './tenants';
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
    blobs,
    values: createValues(blobs),
    agents: createAgents(pool),
    system: createSystem(pool),
  };
}
export type Repositories = ReturnType<typeof createRepositories>;
