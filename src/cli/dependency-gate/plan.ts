import type { AgentStep, Step } from '../../protocol/plan';
import type { Predicate } from '../../protocol/predicate';

/** How often what does not hold goes back to be done again. */
const MAX_ROUNDS = 3;
/** Where in the shared context the verdicts come together. */
const VERDICTS_KEY = 'verdicts';

/**
 * The dependency gate as a plan: take stock, look from three sides at once, strike what is false; then the way that the
 * findings ask for, and in the end the verdict and the report.
 */
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
      ways(),
    ],
  };
}

/** Where findings are high in production and in development, both ways are gone one after the other. */
function ways(): Step {
  return {
    type: 'adaptive',
    options: [
      {
        id: 'remedy',
        description: 'Production has high findings: propose and prove how it gets rid of them',
        step: proposing('remedy', 'remedies'),
      },
      {
        id: 'waive',
        description: 'Only development has high findings: write what somebody would have to sign',
        step: proposing('waiver', 'waivers'),
      },
      {
        id: 'write',
        description: 'Nothing stands in the way of the verdict: decide and report',
        step: deciding(),
      },
    ],
    router: {
      by: 'rules',
      rules: [
        { when: { op: 'exists', pointer: '/outputs/report-writer' }, next: 'finish' },
        { when: and(none('highProduction'), none('highDevelopment')), next: 'write' },
        { when: and(some('highProduction'), passes(0)), next: 'remedy' },
        // By the number of passes, not by what is there: a way that came to nothing is not gone again.
        { when: and(some('highDevelopment'), none('highProduction'), passes(0)), next: 'waive' },
        { when: and(some('highDevelopment'), some('highProduction'), passes(1)), next: 'waive' },
      ],
      // All ways are gone, or nothing was verified; then the policy says so.
      otherwise: 'write',
    },
    maxSteps: 3,
  };
}

/** The policy asks how each high finding came in while the graph answers; neither comes to anything without the other. */
function deciding(): Step {
  return {
    type: 'sequence',
    steps: [
      {
        type: 'parallel',
        steps: [
          {
            ...agent('policy'),
            input: { paths: 'dependency-path', verdicts: VERDICTS_KEY },
            onFailure: 'fail',
          },
          { ...agent('graph'), onFailure: 'fail' },
        ],
      },
      { ...agent('report-writer'), input: { verdicts: VERDICTS_KEY } },
    ],
  };
}

/** Proposed, judged, and proposed again with the reasons, until everything holds or the rounds are over. */
function proposing(name: string, proposals: string): Step {
  return {
    type: 'loop',
    step: {
      type: 'sequence',
      steps: [
        agent(name),
        { ...agent('evaluator'), id: `judge-${proposals}`, input: { judge: { proposals } } },
      ],
    },
    until: { op: 'eq', pointer: '/last/verdict', value: 'pass' },
    maxIterations: MAX_ROUNDS,
    onLimit: 'finish',
    // What is proposed helps whoever decides; the verdict does not wait for it.
    onFailure: 'skip',
  };
}

function agent(name: string): AgentStep {
  return { type: 'agent', agent: name };
}

function some(tally: string): Predicate {
  return { op: 'gt', pointer: `/outputs/evaluator/tally/${tally}`, value: 0 };
}

function none(tally: string): Predicate {
  return { op: 'eq', pointer: `/outputs/evaluator/tally/${tally}`, value: 0 };
}

function passes(count: number): Predicate {
  return { op: 'eq', pointer: '/iteration', value: count };
}

function and(...of: readonly Predicate[]): Predicate {
  return { op: 'and', of: [...of] };
}
