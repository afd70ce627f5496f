import { type AgentContext, type AgentTask, BaseAgent } from '../base-agent';
import type { AgentManifestInput } from '../../protocol/agent';
import { LIMITS } from '../../protocol/limits';
import { analyse } from './analysis';
import { FindingReport, reportOf } from './finding';
import { installScriptFindings } from './install-script-findings';
import { publishing } from './path-talk';
import { provenanceFindings } from './provenance-findings';

/** Finds install scripts, and what is odd about where the packages of a change come from. */
export class Provenance extends BaseAgent<FindingReport> {
  static readonly manifest: AgentManifestInput = {
    name: 'provenance',
    version: '1.0.0',
    description:
      'Finds install scripts, odd sources and missing or changed integrity among the packages a change brings in',
    agentType: 'custom',
    capabilities: ['install-script-findings', 'provenance-findings'],
    output: FindingReport,
    limits: { outputBytes: LIMITS.agentOutputBytes },
  };

  async execute(task: AgentTask, context: AgentContext): Promise<FindingReport> {
    const analysis = await analyse(task, context);
    const scripts = await installScriptFindings(analysis);
    context.heartbeat('checking sources and integrity');
    return await publishing(reportOf([...scripts, ...(await provenanceFindings(analysis))]), context);
  }
}
