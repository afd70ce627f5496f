import type { AgentStep, Step } from '../../protocol/plan';

/** The dependency gate as a plan: take stock, look from three sides at once, strike what is false, judge, write. */
export function gatePlan(): Step {
  return {
    type: 'sequence',
    steps: [
      agent('inventory'),
      {
        type: 'parallel',
        steps: [agent('licence'), agent('provenance'), agent('footprint')],
        aggregate: 'merge',
      },
      // Without it nothing is believed: the policy blocks, and the report says why.
      { ...agent('evaluator'), input: { verify: { facts: 'dependency-gate' } }, onFailure: 'skip' },
      agent('policy'),
      agent('report-writer'),
    ],
  };
}

function agent(name: string): AgentStep {
  return { type: 'agent', agent: name };
}
