import { type AgentContext, type AgentTask, BaseAgent } from '../base-agent';
import type { AgentManifestInput } from '../../protocol/agent';
import { LIMITS } from '../../protocol/limits';
import { analyse } from './analysis';
import { FindingReport, reportOf } from './finding';
import { licenceFindings } from './licence-findings';
import { publishing } from './path-talk';

/** Finds what the packages a change brings in ask for by their licences. */
export class Licence extends BaseAgent<FindingReport> {
  static readonly manifest: AgentManifestInput = {
    name: 'licence',
    version: '1.0.0',
    description:
      'Finds unknown, copyleft, restricted and changed licences among the packages a change brings in',
    agentType: 'custom',
    capabilities: ['licence-findings'],
    output: FindingReport,
    limits: { outputBytes: LIMITS.agentOutputBytes },
  };

  async execute(task: AgentTask, context: AgentContext): Promise<FindingReport> {
    return await publishing(reportOf(await licenceFindings(await analyse(task, context))), context);
  }
}
