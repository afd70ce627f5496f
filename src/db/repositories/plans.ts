import { and, asc, desc, eq } from 'drizzle-orm';
import type { Pool } from 'pg';
import { Step, type StoredPlan } from '../../protocol/plan';
import { parseStored } from '../answers';
import { contentHash } from '../content-hash';
import type { StoredPlanRow } from '../rows';
import { plans } from '../schema/stored';
import { type Tx, withTenant } from '../tenant-door';
import { type KeptVersion, keepVersion } from './keep-version';

/** Whose plans. */
export interface PlanOwner {
  readonly tenantId: string;
  readonly projectId: string;
}

/** Plans that projects keep: each version is written once and never changed. */
export function createPlans(pool: Pool) {
  return {
    /** The same content as the newest version's is that version; any other is the next. */
    save: (owner: PlanOwner, name: string, plan: Step): Promise<KeptVersion> =>
      withTenant(pool, owner.tenantId, (tx) => save(tx, { ...owner, name }, plan)),

    /** What there is of these, each in the version asked for or the newest, in the order asked for. */
    find: (
      owner: PlanOwner,
      wanted: readonly StoredPlan[],
    ): Promise<readonly (StoredPlanRow | undefined)[]> =>
      withTenant(pool, owner.tenantId, async (tx) => {
        const found: (StoredPlanRow | undefined)[] = [];
        for (const one of wanted) found.push(await find(tx, owner, one));
        return found;
      }),

    /** The newest version of each, by name. */
    async newest({ tenantId, projectId }: PlanOwner): Promise<StoredPlanRow[]> {
      const rows = await withTenant(pool, tenantId, (tx) =>
        tx
          .selectDistinctOn([plans.name])
          .from(plans)
          .where(and(eq(plans.tenantId, tenantId), eq(plans.projectId, projectId)))
          .orderBy(asc(plans.name), desc(plans.version)),
      );
      return rows.map(toRow);
    },
  };
}

function save(tx: Tx, key: PlanOwner & { readonly name: string }, plan: Step): Promise<KeptVersion> {
  const hash = contentHash(plan);
  return keepVersion({
    newest: async () => {
      const [row] = await newestFirst(tx, key);
      return row && { version: row.version, same: row.hash === hash };
    },
    insert: async (version) => {
      const { rowCount } = await tx
        .insert(plans)
        .values({ ...key, version, plan, hash })
        .onConflictDoNothing();
      return rowCount === 1;
    },
  });
}

async function find(tx: Tx, owner: PlanOwner, wanted: StoredPlan): Promise<StoredPlanRow | undefined> {
  const [row] = await newestFirst(tx, { ...owner, ...wanted });
  return row && toRow(row);
}

function newestFirst(tx: Tx, { tenantId, projectId, name, version }: PlanOwner & StoredPlan) {
  const key = and(eq(plans.tenantId, tenantId), eq(plans.projectId, projectId), eq(plans.name, name));
  return tx
    .select()
    .from(plans)
    .where(and(key, version === undefined ? undefined : eq(plans.version, version)))
    .orderBy(desc(plans.version))
    .limit(1);
}

function toRow({ name, version, plan, createdAt }: typeof plans.$inferSelect): StoredPlanRow {
  return { name, version, plan: parseStored(Step, plan), createdAt: createdAt.toISOString() };
}
