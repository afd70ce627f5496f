import { asc, sql } from 'drizzle-orm';
import type { Pool } from 'pg';
import type { CatalogueAgent, CatalogueRow } from '../rows';
import { agents } from '../schema/tenancy';
import { readPlatform, withPlatform } from '../tenant-door';

/** The catalogue: which agents the platform's workers have loaded. */
export function createAgents(pool: Pool) {
  return {
    /** Adds or replaces by name and version; what is there already and the same is only seen again. */
    upsert: (loaded: CatalogueAgent) => upsert(pool, loaded),

    /** By name, then version. */
    list: (): Promise<CatalogueRow[]> =>
      readPlatform(pool, async (database) => {
        const rows = await database.select().from(agents).orderBy(asc(agents.name), asc(agents.version));
        return rows.map((row) => ({
          name: row.name,
          version: row.version,
          agentType: row.agentType,
          capabilities: row.capabilities,
          manifest: row.manifest,
          lastSeenAt: row.lastSeenAt.toISOString(),
        }));
      }),
  };
}

async function upsert(pool: Pool, loaded: CatalogueAgent): Promise<void> {
  const now = sql`clock_timestamp()`;
  const changed = sql`(agents.agent_type, agents.capabilities, agents.manifest)
    is distinct from (excluded.agent_type, excluded.capabilities, excluded.manifest)`;
  await withPlatform(pool, (tx) =>
    tx
      .insert(agents)
      .values({ ...loaded, capabilities: [...loaded.capabilities], lastSeenAt: now })
      .onConflictDoUpdate({
        target: [agents.name, agents.version],
        set: {
          agentType: sql`excluded.agent_type`,
          capabilities: sql`excluded.capabilities`,
          manifest: sql`excluded.manifest`,
          lastSeenAt: now,
          updatedAt: sql`case when ${changed} then clock_timestamp() else agents.updated_at end`,
        },
      }),
  );
}
