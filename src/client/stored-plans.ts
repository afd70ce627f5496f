import type { Problem } from '../protocol/failures';
import { LIMITS } from '../protocol/limits';
import type { Step, StoredPlan } from '../protocol/plan';
import { type Inlined, inlineStored, type KeptPlan, storedIn, unknownPlan } from '../core/plan/inline-stored';
import type { Repositories } from '../db/repositories';
import type { PlanOwner } from '../db/repositories/plans';

export interface PlanSource {
  readonly repositories: Pick<Repositories, 'plans'>;
  readonly owner: PlanOwner;
}

/** A stored plan, and whether its name stands for it where no version is said. */
interface Root extends KeptPlan {
  readonly newest: boolean;
}

/** The plan with every stored one written into it. With `root`, it is that stored plan itself. */
export async function withStoredPlans(source: PlanSource, plan: Step, root?: Root): Promise<Inlined> {
  const found = new Map<string, KeptPlan | undefined>();
  if (root?.newest === true) found.set(keyOf({ name: root.name }), root);
  if (!(await collect(source, plan, found))) return { plan, used: [], problems: [TOO_MANY] };
  const hint = [...found.values()].includes(undefined) ? await hintOf(source) : '';
  return inlineStored(plan, { find: (wanted) => found.get(keyOf(wanted)), hint }, root);
}

/** A stored plan with every other one written into it; without `plan` where it is not there. */
export async function wholeStoredPlan(
  source: PlanSource,
  wanted: StoredPlan,
): Promise<Inlined | (Pick<Inlined, 'problems'> & { readonly plan: undefined })> {
  const [kept] = await source.repositories.plans.find(source.owner, [wanted]);
  if (kept === undefined) {
    const problem = { path: 'plan.stored', ...unknownPlan(wanted, { hint: await hintOf(source) }) };
    return { plan: undefined, problems: [problem] };
  }
  const inlined = await withStoredPlans(source, kept.plan, { ...kept, newest: false });
  const { name, version } = kept;
  return { ...inlined, used: [{ path: 'plan', name, version }, ...inlined.used] };
}

/**
 * Reads everything that a plan names, directly or through others, each name once: a run sees one version of it. False
 * where that is more than a plan may be made of.
 */
async function collect(
  { repositories, owner }: PlanSource,
  plan: Step,
  found: Map<string, KeptPlan | undefined>,
): Promise<boolean> {
  for (let wanted = newIn(plan, found); wanted.length > 0;) {
    if (found.size + wanted.length > LIMITS.plansPerRun) return false;
    const rows = await repositories.plans.find(owner, wanted);
    for (const [index, one] of wanted.entries()) found.set(keyOf(one), rows[index]);
    wanted = unique(rows.flatMap((row) => (row === undefined ? [] : newIn(row.plan, found))));
  }
  return true;
}

function newIn(plan: Step, found: ReadonlyMap<string, unknown>): readonly StoredPlan[] {
  return unique(storedIn(plan)).filter((wanted) => !found.has(keyOf(wanted)));
}

function unique(wanted: readonly StoredPlan[]): readonly StoredPlan[] {
  return [...new Map(wanted.map((one) => [keyOf(one), one])).values()];
}

function keyOf({ name, version }: StoredPlan): string {
  return `${name}@${version ?? 'newest'}`;
}

const TOO_MANY: Problem = {
  path: 'plan',
  message: `is made of more than ${LIMITS.plansPerRun} stored plans`,
  hint: 'write some of them out where they are used',
};

const LISTED = 20;

async function hintOf({ repositories, owner }: PlanSource): Promise<string> {
  const names = (await repositories.plans.newest(owner)).map(
    ({ name, version }) => `${name} (version ${version})`,
  );
  const more = names.length > LISTED ? `, and ${names.length - LISTED} more` : '';
  return `stored plans: ${names.slice(0, LISTED).join(', ') || 'none yet'}${more}`;
}
