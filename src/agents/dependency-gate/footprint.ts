import { type AgentContext, type AgentTask, BaseAgent } from '../base-agent';
import type { AgentManifestInput } from '../../protocol/agent';
import { LIMITS } from '../../protocol/limits';
import { totalsOf } from '../tools/lockfile/totals';
import { analyse } from './analysis';
import { duplicateFindings } from './duplicate-findings';
import { type EngineBasis, engineBasis, engineFindings } from './engine-findings';
import { reportOf } from './finding';
import { deprecatedFindings, missingFindings, sizeFindings, unrequiredFindings } from './footprint-findings';
import { FootprintReport, installedSizeOf } from './footprint-report';
import { publishing } from './path-talk';

/** Finds duplicates, engines that do not fit and other weight a change brings, with totals before and after. */
export class Footprint extends BaseAgent<FootprintReport> {
  static readonly manifest: AgentManifestInput = {
    name: 'footprint',
    version: '1.0.0',
    description:
      'Counts packages before and after, and finds duplicates, unfit engines and large or deprecated packages',
    agentType: 'custom',
    capabilities: ['footprint-findings'],
    output: FootprintReport,
    limits: { outputBytes: LIMITS.agentOutputBytes },
  };

  async execute(task: AgentTask, context: AgentContext): Promise<FootprintReport> {
    const analysis = await analyse(task, context);
    const { head, base, input, installed } = analysis;
    const basis = engineBasis(analysis, input.nodeVersion);
    context.heartbeat('counting');
    const report = {
      ...reportOf([
        ...(await duplicateFindings(analysis)),
        ...(await engineFindings(analysis, basis)),
        ...(await deprecatedFindings(analysis)),
        ...(await unrequiredFindings(analysis)),
        ...(await missingFindings(analysis)),
        ...(await sizeFindings(analysis, installed)),
      ]),
      totals: { head: await totalsOf(head), base: base === null ? null : await totalsOf(base) },
      engineBasis: describeBasis(basis),
      installed: installedSizeOf(head, installed),
    };
    return await publishing(report, context);
  }
}

function describeBasis(basis: EngineBasis): FootprintReport['engineBasis'] {
  return basis.kind === 'unknown' ? null : { kind: basis.kind, node: basis.node };
}
