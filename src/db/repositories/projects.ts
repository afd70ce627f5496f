import { and, eq } from 'drizzle-orm';
import type { Pool } from 'pg';
import { uuidv7 } from 'uuidv7';
import { projects } from '../schema/tenancy';
import { withTenant } from '../tenant-door';

/** A tenant's projects. */
export function createProjects(pool: Pool) {
  return {
    /** Answers the new project's id. */
    async create(tenantId: string, name: string): Promise<string> {
      const id = uuidv7();
      await withTenant(pool, tenantId, (tx) => tx.insert(projects).values({ tenantId, id, name }));
      return id;
    },

    async exists(tenantId: string, projectId: string): Promise<boolean> {
      const rows = await withTenant(pool, tenantId, (tx) =>
        tx
          .select({ id: projects.id })
          .from(projects)
          .where(and(eq(projects.tenantId, tenantId), eq(projects.id, projectId))),
      );
      return rows.length > 0;
    },
  };
}
