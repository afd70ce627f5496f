import { EMPTY_SCOPE, type Scope } from '../../../src/core/scope';
import { NO_FACTS } from '../../../src/core/facts';
import { decide } from '../../../src/core/strategies';
import { leavesOf, scopeOfChild } from '../../../src/core/strategies/child-scope';
import { childrenOf, isComposite } from '../../../src/core/strategies/children';
import type { Decided, Visit } from '../../../src/core/strategies/strategy';
import type { Json, Value } from '../../../src/protocol/json';
import type { AgentStep, Step } from '../../../src/protocol/plan';

/** What a plan came to without any server. */
export interface Carried {
  readonly agents: readonly string[];
  readonly decided: readonly Decided[];
}

/** Carries out a plan by the product's own strategies, one agent after another; a failure ends it. */
export async function carryOut(plan: Step, work: (step: AgentStep) => Promise<Json>): Promise<Carried> {
  const agents: string[] = [];
  const decided: Decided[] = [];
  await visit(plan, EMPTY_SCOPE);
  return { agents, decided };

  async function visit(step: Step, scope: Scope): Promise<{ output: Value; leaves: Record<string, Value> }> {
    if (step.type === 'agent') {
      agents.push(step.agent);
      const output: Value = { inline: await work(step) };
      return { output, leaves: leavesOf(step, output) };
    }
    if (!isComposite(step)) throw new Error(`no ${step.type} step can be carried out here`);
    const visits: Visit[] = [];
    for (;;) {
      const decision = decide(step, visits, { scope, facts: NO_FACTS });
      if (decision.type !== 'wait') decided.push(...(decision.decided ?? []));
      if (decision.type === 'finish')
        return { output: decision.output, leaves: leavesOf(step, decision.output, visits) };
      if (decision.type !== 'start') throw new Error(`the plan ended with ${JSON.stringify(decision)}`);
      for (const child of decision.children) {
        const inner = childrenOf(step)[child];
        if (inner === undefined) throw new Error(`there is no child ${child}`);
        const left = await visit(inner, scopeOfChild({ step, child }, visits, scope));
        visits.push({ child, outcome: { type: 'done', ...left } });
      }
    }
  }
}
