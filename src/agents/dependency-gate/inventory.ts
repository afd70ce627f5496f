import { type AgentContext, type AgentTask, BaseAgent } from '../base-agent';
import type { AgentManifestInput } from '../../protocol/agent';
import { LIMITS } from '../../protocol/limits';
import { analyse } from './analysis';
import { InventoryReport, inventoryOf } from './inventory-report';

/** Lists what a change of a lock file adds, removes, changes and moves, and by which path each package came in. */
export class Inventory extends BaseAgent<InventoryReport> {
  static readonly manifest: AgentManifestInput = {
    name: 'inventory',
    version: '1.0.0',
    description:
      'Lists what a change of a package-lock.json adds, removes and changes, and by which path it came in',
    agentType: 'custom',
    capabilities: ['lockfile-inventory'],
    output: InventoryReport,
    limits: { outputBytes: LIMITS.agentOutputBytes },
  };

  async execute(task: AgentTask, context: AgentContext): Promise<InventoryReport> {
    const report = inventoryOf(await analyse(task, context));
    context.log.info('inventory taken', report.counts);
    return report;
  }
}
