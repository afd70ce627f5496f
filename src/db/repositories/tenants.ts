import { eq } from 'drizzle-orm';
import type { Pool } from 'pg';
import { uuidv7 } from 'uuidv7';
import { tenants } from '../schema/tenancy';
import { withTenant } from '../tenant-door';

/** Tenants. */
export function createTenants(pool: Pool) {
  return {
    /** Answers the new tenant's id. */
    async create(name: string): Promise<string> {
      const id = uuidv7();
      await withTenant(pool, id, (tx) => tx.insert(tenants).values({ id, name }));
      return id;
    },

    async exists(tenantId: string): Promise<boolean> {
      const rows = await withTenant(pool, tenantId, (tx) =>
        tx.select({ id: tenants.id }).from(tenants).where(eq(tenants.id, tenantId)),
      );
      return rows.length > 0;
    },
  };
}
