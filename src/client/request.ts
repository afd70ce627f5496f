import type { AgentVersion } from '../protocol/agent';
import type { JsonObject } from '../protocol/json';
import { LIMITS } from '../protocol/limits';
import type { PlanShorthand, Step, StoredPlanChoice } from '../protocol/plan';
import { planIssues } from '../protocol/plan/problem';
import { RunRequest, type RunRequestInput } from '../protocol/run';
import { expandPlan } from '../core/plan';
import type { UsedPlan } from '../core/plan/inline-stored';
import { notYetProblems } from '../core/plan/not-yet';
import { contentHash } from '../db/content-hash';
import type { Catalogue } from './catalogue';
import { checkedPlan, kindOf } from './checked-plan';
import { type Faults, refusal, refuseAny } from './refusal';
import { characterFaults, sizeFaults } from './sizes';
import { type PlanSource, wholeStoredPlan, withStoredPlans } from './stored-plans';

/** A request that may start: expanded, bounded, its agents and stored plans pinned. */
export interface AcceptedRequest {
  readonly task: string;
  readonly input: JsonObject;
  readonly plan: Step;
  readonly agents: readonly AgentVersion[];
  /** The stored plans written into the plan, each in its version. */
  readonly plans: readonly UsedPlan[];
  readonly idempotencyKey: string | undefined;
  /** Same for the same request, whatever the order of its keys, and whatever became of the stored plans it names. */
  readonly requestHash: string;
}

/** What a request is held against. */
export interface RequestSources extends PlanSource {
  readonly catalogue: Pick<Catalogue, 'agents'>;
}

/** Checks a request against the schema, the limits, the catalogue and the stored plans. Throws with every problem at once. */
export async function acceptRequest(
  request: RunRequestInput,
  sources: RequestSources,
): Promise<AcceptedRequest> {
  const { plan: raw, ...rest } = fieldsOf(request);
  const faults = restFaults(rest);
  const issues = planIssues(raw);
  if (issues.length > 0) throw refusal([{ code: 'INPUT_INVALID', problems: issues }, ...faults]);
  const given = RunRequest.shape.plan.parse(raw);
  const asked = isChoice(given) ? given : expandPlan(given);
  const inlined = isChoice(asked)
    ? await wholeStoredPlan(sources, asked.stored)
    : await withStoredPlans(sources, asked);
  if (inlined.plan === undefined) throw refusal([...faults, kindOf(inlined.problems)]);
  const { plan, used } = inlined;
  const checked = await checkedPlan(inlined, sources.catalogue, notYetProblems);
  refuseAny([...faults, ...checked.faults]);
  const { task, input, idempotencyKey } = REST.parse(rest);
  // The plan as it was asked for: a name stands for the same request, whatever is stored under it by now.
  const requestHash = contentHash({ task, input, plan: asked });
  return { task, input, plan, agents: checked.agents, plans: used, idempotencyKey, requestHash };
}

const REST = RunRequest.omit({ plan: true });

const HINTS: Readonly<Record<string, string>> = {
  task: 'say in a text what is to be done',
  input: 'give an object of JSON values, or leave it out',
  idempotencyKey: `a text of 1 to ${LIMITS.idempotencyKeyChars} characters, or none`,
};
const OTHER_HINT = `a request has ${Object.keys(RunRequest.shape).join(', ')}`;

function fieldsOf(request: unknown): Readonly<Record<string, unknown>> {
  if (typeof request === 'object' && request !== null && !Array.isArray(request)) return { ...request };
  const problem = { path: 'request', message: 'must be an object', hint: OTHER_HINT };
  throw refusal([{ code: 'INPUT_INVALID', problems: [problem] }]);
}

/** What is wrong with everything but the plan. */
function restFaults(rest: Readonly<Record<string, unknown>>): readonly Faults[] {
  const issues = REST.safeParse(rest).error?.issues ?? [];
  const misshapen = new Set(issues.map(({ path }) => path[0]));
  const problems = issues.map(({ path, message }) => ({
    path: path.join('.') || 'request',
    message,
    hint: HINTS[String(path[0])] ?? OTHER_HINT,
  }));
  const { task, input } = rest;
  const sound = {
    ...(misshapen.has('task') ? {} : { task }),
    ...(misshapen.has('input') ? {} : { input }),
  };
  return [{ code: 'INPUT_INVALID', problems }, ...characterFaults(sound), ...sizeFaults(sound)];
}

function isChoice(plan: PlanShorthand | Step | StoredPlanChoice): plan is StoredPlanChoice {
  return 'stored' in plan && !('type' in plan);
}
