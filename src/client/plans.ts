import { z } from 'zod';
import { AppError, type Problem } from '../protocol/failures';
import { PlanShorthand, Step, StoredPlan } from '../protocol/plan';
import { planIssues } from '../protocol/plan/problem';
import { expandPlan } from '../core/plan';
import type { KeptPlan } from '../core/plan/inline-stored';
import { checkedPlan } from './checked-plan';
import type { SavedVersion, StoredPlanInfo, StoredPlans } from './ensemble-client';
import { refuseAny } from './refusal';
import type { RequestSources } from './request';
import { withStoredPlans } from './stored-plans';

/** Plans that a project keeps, over PostgreSQL. */
export function createStoredPlans(sources: RequestSources): StoredPlans {
  const { repositories, owner } = sources;
  return {
    save: (name, plan) => save(sources, name, plan),

    list: () => repositories.plans.newest(owner),

    async get(name, version): Promise<StoredPlanInfo> {
      const wanted = StoredPlan.safeParse({ name, version }).data;
      const [row] = wanted === undefined ? [] : await repositories.plans.find(owner, [wanted]);
      if (row !== undefined) return row;
      const which = version === undefined ? '' : ` in version ${version}`;
      throw new AppError('PLAN_UNKNOWN', `No plan "${String(name).slice(0, 80)}" is stored here${which}`);
    },
  };
}

async function save(
  sources: RequestSources,
  name: string,
  given: PlanShorthand | Step,
): Promise<SavedVersion> {
  refuseAny([{ code: 'PLAN_INVALID', problems: [...nameProblems(name), ...shapeProblems(given)] }]);
  const plan = expandPlan(SavedPlan.parse(given));
  // No version yet: whoever names it without one will mean this one.
  const root: KeptPlan = { name, version: 0, plan };
  const inlined = await withStoredPlans(sources, plan, { ...root, newest: true });
  refuseAny((await checkedPlan(inlined, sources.catalogue)).faults);
  return { name, ...(await sources.repositories.plans.save(sources.owner, name, plan)) };
}

const SavedPlan = z.union([PlanShorthand, Step]);

function shapeProblems(given: unknown): readonly Problem[] {
  const issues = planIssues(given);
  if (issues.length > 0 || SavedPlan.safeParse(given).success) return issues;
  const message = 'is the name of another plan, and no plan of its own';
  return [{ path: 'plan', message, hint: 'write a run step that names it' }];
}

function nameProblems(name: string): readonly Problem[] {
  const issues = StoredPlan.shape.name.safeParse(name).error?.issues ?? [];
  return issues.map(({ message }) => ({ path: 'name', message, hint: 'such as "nightly-review"' }));
}
