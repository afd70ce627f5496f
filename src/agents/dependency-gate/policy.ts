import { type AgentContext, type AgentTask, BaseAgent } from '../base-agent';
import type { AgentManifestInput } from '../../protocol/agent';
import { LIMITS } from '../../protocol/limits';
import { type Brought, decide } from './decide';
import { type Finding, FindingReport } from './finding';
import { PolicyOptions, PolicyReport } from './policy-schema';
import { outputOf } from './previous';

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
    const report = decide(await broughtBy(task, options.expect), options);
    context.log.info('verdict reached', { verdict: report.verdict, ...report.counts });
    return report;
  }
}

async function broughtBy(task: AgentTask, expected: readonly string[]): Promise<Brought> {
  const findings: Finding[] = [];
  const missing: string[] = [];
  let omitted = 0;
  for (const agent of expected) {
    const report = await outputOf(task.previous, agent, FindingReport.loose());
    if (report === null) missing.push(agent);
    findings.push(...(report?.findings ?? []));
    omitted += report?.omitted ?? 0;
  }
  return { findings, missing, omitted };
}
