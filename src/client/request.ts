import { createHash } from 'node:crypto';
import stringify from 'safe-stable-stringify';
import type { AgentVersion } from '../protocol/agent';
import { AppError } from '../protocol/failures';
import type { JsonObject } from '../protocol/json';
import { LIMITS } from '../protocol/limits';
import type { Step } from '../protocol/plan';
import { planIssues } from '../protocol/plan/problem';
import { RunRequest, type RunRequestInput } from '../protocol/run';
import { agentsOf } from '../core/addresses';
import { expandPlan, planProblems, type PlanProblem } from '../core/plan';
import { notYetProblems } from '../core/plan/not-yet';
import { unstorable } from '../core/text';
import type { PinnableAgent } from './pinnable';

/** A request that may start: expanded, bounded, its agents pinned. */
export interface AcceptedRequest {
  readonly task: string;
  readonly input: JsonObject;
  readonly plan: Step;
  readonly agents: readonly AgentVersion[];
  readonly idempotencyKey: string | undefined;
  /** Same for the same request, whatever the order of its keys. */
  readonly requestHash: string;
}

/** Checks a request against the schema, the limits and the catalogue. Throws with every problem at once. */
export function acceptRequest(
  request: RunRequestInput,
  catalogue: readonly PinnableAgent[],
): AcceptedRequest {
  const { task, plan: given, input, idempotencyKey } = parsed(request);
  const plan = expandPlan(given);
  withinLimits(task, input, plan);
  const byName = new Map(catalogue.map(({ version }) => [version.name, version]));
  const schemas = new Map(catalogue.map((agent) => [agent.version.name, agent.schemas]));
  const problems = [...planProblems(plan, { agents: schemas }), ...notYetProblems(plan)];
  if (problems.length > 0) {
    const unknown = problems.every(({ message }) => message.includes('unknown agent'));
    throw new AppError(unknown ? 'AGENT_UNKNOWN' : 'PLAN_INVALID', inOneLine(problems));
  }
  const names = [...new Set(agentsOf(plan))];
  const agents = names.flatMap((name) => byName.get(name) ?? []);
  const requestHash = createHash('sha256')
    .update(String(stringify({ task, input, plan })))
    .digest('hex');
  return { task, input, plan, agents, idempotencyKey, requestHash };
}

function inOneLine(problems: readonly PlanProblem[]): string {
  return problems.map(({ path, message, hint }) => `${path} ${message} (${hint})`).join('; ');
}

function parsed(request: RunRequestInput): RunRequest {
  const issues = planIssues(request.plan);
  if (issues.length > 0) throw new AppError('INPUT_INVALID', inOneLine(issues));
  const result = RunRequest.safeParse(request);
  if (result.success) return result.data;
  const text = result.error.issues
    .slice(0, 10)
    .map((issue) => `${issue.path.join('.') || 'request'} ${issue.message}`);
  throw new AppError('INPUT_INVALID', text.join('; '));
}

function withinLimits(task: string, input: JsonObject, plan: Step): void {
  for (const [field, value] of Object.entries({ task, input, plan })) {
    const character = unstorable(JSON.stringify(value));
    if (character !== undefined)
      throw new AppError('INPUT_INVALID', `${field} holds ${character}; remove it`);
  }
  const sizes = [
    [
      'task',
      Buffer.byteLength(task),
      LIMITS.taskBytes,
      'shorten it, or upload the text and pass its reference',
    ],
    [
      'input',
      Buffer.byteLength(JSON.stringify(input)),
      LIMITS.inputBytes,
      'upload large parts and pass references',
    ],
    ['plan', Buffer.byteLength(JSON.stringify(plan)), LIMITS.planBytes, 'split the work into several runs'],
  ] as const;
  for (const [field, bytes, limit, hint] of sizes)
    if (bytes > limit)
      throw new AppError('INPUT_TOO_LARGE', `${field} has ${bytes} bytes; the limit is ${limit}: ${hint}`);
}
