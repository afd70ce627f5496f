import { type AgentContext, type AgentTask, BaseAgent } from '../base-agent';
import type { AgentManifestInput } from '../../protocol/agent';
import { LIMITS } from '../../protocol/limits';
import { type Brought, decide } from './decide';
import { type Finding, FindingReport } from './finding';
import { PolicyOptions, PolicyReport } from './policy-schema';
import { objectionsTo } from './path-talk';
import { outputOf } from './previous';
import { proposedIn } from './proposed';
import { standingIn, verifiedBy as verifiedFrom } from './standing';
import { mergeVerdicts } from './verdicts';

const NOTHING_STRUCK = { struck: [], struckCount: 0 };

/** Holds every finding against the rules and says whether the change may be merged. */
export class Policy extends BaseAgent<PolicyReport> {
  static readonly manifest: AgentManifestInput = {
    name: 'policy',
    version: '1.0.0',
    description: 'Decides by rules whether a change may be merged, with the rule and reason for each finding',
    agentType: 'custom',
    capabilities: ['gate-policy'],
    input: PolicyOptions,
    output: PolicyReport,
    limits: { outputBytes: LIMITS.agentOutputBytes },
  };

  async execute(task: AgentTask, context: AgentContext): Promise<PolicyReport> {
    const options = PolicyOptions.parse(task.options ?? {});
    const brought = await broughtBy(task, options);
    const proposed = await proposedIn(task.previous, options.judgedBy);
    const { paths, verdicts } = options;
    const objections =
      paths === null ? undefined : await objectionsTo(brought.findings, { ...options, paths }, context);
    const report = decide({ ...brought, proposed, ...(objections && { objections }) }, options);
    if (verdicts !== null) await mergeVerdicts(report, verdicts, context);
    context.log.info('verdict reached', {
      verdict: report.verdict,
      ...report.counts,
      struck: report.struckCount,
    });
    return report;
  }
}

/** What stands of the findings; where they were not verified, the verifier is missing like an agent that found nothing. */
async function broughtBy(
  { previous }: AgentTask,
  { expect, verifiedBy }: Pick<PolicyOptions, 'expect' | 'verifiedBy'>,
): Promise<Omit<Brought, 'proposed'>> {
  if (verifiedBy === null) return { ...(await unverified(previous, expect)), ...NOTHING_STRUCK };
  const verified = await verifiedFrom(previous, verifiedBy);
  if (verified === null) {
    const { missing, ...rest } = await unverified(previous, expect);
    return { ...rest, missing: [...missing, verifiedBy], ...NOTHING_STRUCK };
  }
  const { reports, struck, struckUnlisted } = verified;
  const all = Object.values(reports);
  return {
    findings: standingIn(verified),
    missing: expect.filter((agent) => !Object.hasOwn(reports, agent)),
    omitted: all.reduce((sum, { omitted }) => sum + omitted, 0),
    struck,
    struckCount: struck.length + struckUnlisted,
  };
}

async function unverified(
  previous: AgentTask['previous'],
  expected: readonly string[],
): Promise<Pick<Brought, 'findings' | 'missing' | 'omitted'>> {
  const findings: Finding[] = [];
  const missing: string[] = [];
  let omitted = 0;
  for (const agent of expected) {
    const report = await outputOf(previous, agent, FindingReport.loose());
    if (report === null) missing.push(agent);
    findings.push(...(report?.findings ?? []));
    omitted += report?.omitted ?? 0;
  }
  return { findings, missing, omitted };
}
