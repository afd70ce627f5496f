import { and, asc, desc, eq, inArray, isNull, sql } from 'drizzle-orm';
import type { Pool } from 'pg';
import { AgentDefinition } from '../../protocol/agent-definition';
import { parseStored } from '../answers';
import { contentHash } from '../content-hash';
import type { AgentDefinitionRow } from '../rows';
import { agentDefinitions } from '../schema/stored';
import { type Tx, withTenant } from '../tenant-door';
import { type KeptVersion, keepVersion } from './keep-version';

/** Agents that tenants defined as data: each version is written once and never changed. */
export function createAgentDefinitions(pool: Pool) {
  return {
    /** The same content as the newest version's is that version; any other, or one after a retirement, is the next. */
    save: (tenantId: string, definition: AgentDefinition): Promise<KeptVersion> =>
      withTenant(pool, tenantId, (tx) => save(tx, tenantId, definition)),

    /** That version, retired or not; without one, the newest that is not retired. */
    async find(tenantId: string, name: string, version?: number): Promise<AgentDefinitionRow | undefined> {
      const wanted =
        version === undefined ? isNull(agentDefinitions.retiredAt) : eq(agentDefinitions.version, version);
      const rows = await withTenant(pool, tenantId, (tx) =>
        tx
          .select()
          .from(agentDefinitions)
          .where(and(eq(agentDefinitions.name, name), wanted))
          .orderBy(desc(agentDefinitions.version))
          .limit(1),
      );
      return rows[0] && toRow(rows[0]);
    },

    /** The newest version of each that is not retired, by name; of these names only, where there are any. */
    async newest(tenantId: string, names?: readonly string[]): Promise<AgentDefinitionRow[]> {
      const rows = await withTenant(pool, tenantId, (tx) =>
        tx
          .selectDistinctOn([agentDefinitions.name])
          .from(agentDefinitions)
          .where(
            and(
              isNull(agentDefinitions.retiredAt),
              names === undefined ? undefined : inArray(agentDefinitions.name, [...names]),
            ),
          )
          .orderBy(asc(agentDefinitions.name), desc(agentDefinitions.version)),
      );
      return rows.map(toRow);
    },

    /** Retires every version of the name; answers whether there was one to retire. */
    async retire(tenantId: string, name: string): Promise<boolean> {
      const { rowCount } = await withTenant(pool, tenantId, (tx) =>
        tx
          .update(agentDefinitions)
          .set({ retiredAt: sql`clock_timestamp()` })
          .where(and(eq(agentDefinitions.name, name), isNull(agentDefinitions.retiredAt))),
      );
      return (rowCount ?? 0) > 0;
    },
  };
}

function save(tx: Tx, tenantId: string, definition: AgentDefinition): Promise<KeptVersion> {
  const { name } = definition;
  const hash = contentHash(definition);
  return keepVersion({
    newest: async () => {
      const [row] = await tx
        .select()
        .from(agentDefinitions)
        .where(eq(agentDefinitions.name, name))
        .orderBy(desc(agentDefinitions.version))
        .limit(1);
      return row && { version: row.version, same: row.hash === hash && row.retiredAt === null };
    },
    insert: async (version) => {
      const { rowCount } = await tx
        .insert(agentDefinitions)
        .values({ tenantId, name, version, definition, hash })
        .onConflictDoNothing();
      return rowCount === 1;
    },
  });
}

function toRow(row: typeof agentDefinitions.$inferSelect): AgentDefinitionRow {
  return {
    name: row.name,
    version: row.version,
    definition: parseStored(AgentDefinition, row.definition),
    createdAt: row.createdAt.toISOString(),
    retiredAt: row.retiredAt?.toISOString() ?? null,
  };
}
