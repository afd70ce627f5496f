import { CancellationScope } from '@temporalio/workflow';
import type { Failure } from '../protocol/failures';
import type { CompositeStep, Step } from '../protocol/plan';
import type { PreviousOutput } from '../protocol/run';
import { childAddress, visitAddress } from '../core/addresses';
import { onFailureOf } from '../core/on-failure';
import { decide } from '../core/strategies';
import { childrenOf, isAggregator, isComposite } from '../core/strategies/children';
import type { StepOutcome, Visit } from '../core/strategies/strategy';
import { fail } from './failure';
import { runAgent } from './run-agent';
import type { RunState } from './run-state';

/** A step in its place: where it stands, in what, and what came before it. */
interface Place {
  readonly step: Step;
  readonly address: string;
  readonly parent?: CompositeStep;
  readonly previous: readonly PreviousOutput[];
}

/** How a step ended, and the agent outputs it leaves to what comes after it. */
interface StepResult {
  readonly outcome: StepOutcome;
  readonly outputs: readonly PreviousOutput[];
}

/** Carries out one step of the plan, whatever its type, and applies its `onFailure`. */
export async function runStep(run: RunState, place: Place): Promise<StepResult> {
  const { step, address, previous } = place;
  let result: StepResult;
  if (step.type === 'agent') {
    const outcome = await runAgent(run, { step, address, previous });
    result = { outcome, outputs: outcome.type === 'done' ? [{ address, agent: step.agent }] : [] };
  } else if (isComposite(step)) result = await new CompositeRun(run, { ...place, step }).execute();
  else fail('PLAN_INVALID', `Steps of type ${step.type} cannot be carried out yet`);
  if (result.outcome.type !== 'failed') return result;
  return afterFailure(run, place, result.outcome.failure);
}

function afterFailure(run: RunState, place: Place, failure: Failure): StepResult | Promise<StepResult> {
  const { step, address, parent, previous } = place;
  const agent = step.type === 'agent' ? step.agent : step.type;
  const rule = onFailureOf(step, parent);
  const degrade = (instead: 'failed' | 'skipped' | 'fallback'): void =>
    run.degrade({ address, agent, ...failure, instead });
  if (rule === 'fail') {
    // A failed composite says what its failed agent has said already.
    if (step.type === 'agent') degrade('failed');
    return { outcome: { type: 'failed', failure }, outputs: [] };
  }
  if (rule === 'skip') {
    degrade('skipped');
    return { outcome: { type: 'skipped' }, outputs: [] };
  }
  degrade('fallback');
  if ('value' in rule.fallback) {
    const output = { inline: rule.fallback.value };
    return { outcome: { type: 'done', output }, outputs: [{ address, agent, output }] };
  }
  const fallback: Step = { type: 'agent', agent: rule.fallback.agent, onFailure: 'fail' };
  return runStep(run, { step: fallback, address: childAddress(address, 'fallback'), previous });
}

/** One composite step under way: asks its strategy, starts what it says, waits for anything to settle, asks again. */
class CompositeRun {
  private readonly visits: Visit[] = [];
  private readonly results: StepResult[] = [];
  private readonly running = new Map<number, Promise<void>>();
  private settled: (() => void) | undefined;
  private broken: Error | undefined;
  private readonly children: readonly Step[];

  constructor(
    private readonly run: RunState,
    private readonly place: Place & { readonly step: CompositeStep },
  ) {
    this.children = childrenOf(place.step);
  }

  execute(): Promise<StepResult> {
    // A scope of its own, so that a failing step can stop its siblings and nothing else.
    return CancellationScope.cancellable(async () => {
      try {
        const outcome = await this.loop();
        return { outcome, outputs: this.outputs() };
      } finally {
        if (this.running.size > 0) CancellationScope.current().cancel();
        await CancellationScope.nonCancellable(() => Promise.allSettled(this.running.values()));
      }
    });
  }

  private async loop(): Promise<StepOutcome> {
    for (;;) {
      const decision = decide(this.place.step, this.visits);
      switch (decision.type) {
        case 'start':
          for (const child of decision.children) this.start(child);
          break;
        case 'wait':
          await this.nextSettled();
          break;
        case 'cancel':
          return fail('PLAN_INVALID', 'A quorum cannot be carried out yet');
        case 'finish':
          return { type: 'done', output: decision.output };
        case 'fail':
          return { type: 'failed', failure: decision.failure };
      }
    }
  }

  private start(child: number): void {
    const step = this.children[child];
    if (step === undefined) return;
    const index = this.visits.push({ child }) - 1;
    const work = this.runChild(step, index).then(
      (result) => {
        this.visits[index] = { child, outcome: result.outcome };
        this.results[index] = result;
        this.end(index);
      },
      (error: Error) => {
        this.broken ??= error;
        this.end(index);
      },
    );
    this.running.set(index, work);
  }

  private end(index: number): void {
    this.running.delete(index);
    this.settled?.();
  }

  /** Rejects with what a child threw: a cancellation. One promise, however many children run. */
  private async nextSettled(): Promise<void> {
    if (this.broken === undefined)
      await new Promise<void>((resolve) => {
        this.settled = resolve;
      });
    if (this.broken !== undefined) throw this.broken;
  }

  private runChild(step: Step, index: number): Promise<StepResult> {
    const { step: parent, previous } = this.place;
    const aggregating = isAggregator(parent, this.visits[index]?.child ?? 0);
    return runStep(this.run, {
      step,
      parent,
      address: visitAddress(this.place, this.visits, index),
      previous: aggregating
        ? this.outputs()
        : parent.type === 'sequence'
          ? [...previous, ...this.outputs()]
          : previous,
    });
  }

  /** What the children that are done leave behind, in plan order. */
  private outputs(): readonly PreviousOutput[] {
    const order = this.visits.map(({ child }, index) => ({
      child,
      outputs: this.results[index]?.outputs ?? [],
    }));
    return order.toSorted((a, b) => a.child - b.child).flatMap(({ outputs }) => outputs);
  }
}
