import type { AgentManifestInput } from '../../protocol/agent';
import { LIMITS } from '../../protocol/limits';
import { type AgentContext, type AgentTask, BaseAgent } from '../base-agent';
import { analyse } from './analysis';
import { findRemedies } from './find-remedies';
import { judgementsOn } from './judgement';
import { RemedyReport } from './remedy-schema';
import { VerifierOptions, verifiedOrThrow } from './verifier';
import { highIn } from './standing';

/** Proposes how production gets rid of its high findings, and proves each proposal on the lock itself. */
export class RemedyAgent extends BaseAgent<RemedyReport> {
  static readonly manifest: AgentManifestInput = {
    name: 'remedy',
    version: '1.0.0',
    description:
      'Proposes changes of the lock that remove high production findings, each proven by recomputing the dependency graph',
    agentType: 'custom',
    capabilities: ['lockfile-remedies'],
    input: VerifierOptions,
    output: RemedyReport,
    limits: { outputBytes: LIMITS.agentOutputBytes },
  };

  async execute(task: AgentTask, context: AgentContext): Promise<RemedyReport> {
    const { verifiedBy, judgedBy } = VerifierOptions.parse(task.options ?? {});
    const wanted = highIn(await verifiedOrThrow(task.previous, verifiedBy), false);
    const judgements = await judgementsOn('remedies', task.previous, judgedBy);
    const rejected = judgements.flatMap((one) => one.rejected);
    const report = await findRemedies({ analysis: await analyse(task, context), wanted, rejected }, context);
    context.log.info('remedies looked for', { ...report.counts, sentBack: rejected.length });
    return report;
  }
}
