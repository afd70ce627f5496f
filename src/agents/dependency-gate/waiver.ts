import type { AgentManifestInput } from '../../protocol/agent';
import { LIMITS } from '../../protocol/limits';
import { type AgentContext, type AgentTask, BaseAgent } from '../base-agent';
import { analyse } from './analysis';
import { highIn } from './standing';
import { VerifierOptions, verifiedOrThrow } from './verifier';
import { WaiverReport, waiversFor } from './waivers';

/** Writes what somebody would have to sign so that high findings which only development reaches may pass. */
export class WaiverAgent extends BaseAgent<WaiverReport> {
  static readonly manifest: AgentManifestInput = {
    name: 'waiver',
    version: '1.0.0',
    description:
      'Writes a waiver proposal for each high finding that only development reaches: scope, reason, end and expiry',
    agentType: 'custom',
    capabilities: ['gate-waivers'],
    input: VerifierOptions,
    output: WaiverReport,
    limits: { outputBytes: LIMITS.agentOutputBytes },
  };

  async execute(task: AgentTask, context: AgentContext): Promise<WaiverReport> {
    const { verifiedBy } = VerifierOptions.parse(task.options ?? {});
    const wanted = highIn(await verifiedOrThrow(task.previous, verifiedBy), true);
    const report = waiversFor(wanted, await analyse(task, context));
    context.log.info('waivers written', { waivers: report.waivers.length, omitted: report.omitted.length });
    return report;
  }
}
