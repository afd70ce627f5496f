import type { CancellationScope } from '@temporalio/workflow';
import type { CarriedComposite, CarriedStep, CarriedVisit } from '../protocol/carried';
import type { CompositeStep, Step } from '../protocol/plan';
import type { PreviousOutput } from '../protocol/run';
import { visitAddress } from '../core/addresses';
import { compressed } from '../core/carry/compress';
import type { Packer } from '../core/carry/packer';
import type { Unpacker } from '../core/carry/unpacker';
import type { Scope } from '../core/scope';
import { decide } from '../core/strategies';
import { type ChildOf, leavesOf, scopeOfChild } from '../core/strategies/child-scope';
import { areBeside, childrenOf, isAggregator, isRouter } from '../core/strategies/children';
import { type Decision, firstFailure, type Visit } from '../core/strategies/strategy';
import { NO_TRAIL, type Trail } from '../core/trail';
import { MapList } from './map-list';
import type { RunState } from './run-state';
import {
  type AttemptEnd,
  type Done,
  type Place,
  type Remains,
  type Running,
  type StepResult,
  worldOf,
} from './running';
import { workScope } from './work-scope';

/** A child under way. */
interface Child extends Running {
  start(remains?: Remains): void;
  carried(packer: Packer): CarriedStep;
}

interface Surroundings {
  readonly ended: Done<AttemptEnd>;
  readonly child: (place: Place, done: Done) => Child;
}

/** One attempt of a composite step: asks its strategy, starts what it says, is called when anything ends, asks again. */
export class CompositeRun implements Running {
  private readonly visits: Visit[] = [];
  private readonly running = new Map<number, Child>();
  /** What children leave that come one after another. */
  private readonly line: PreviousOutput[] = [];
  /** What children leave that stand beside each other, by visit. */
  private readonly beside: (readonly PreviousOutput[])[] = [];
  private readonly children: readonly Step[];
  private readonly cancellation: CancellationScope;
  /** Of a map. */
  private readonly list: MapList | undefined;
  private decisions = 0;
  private deciding = false;
  private ended = false;

  constructor(
    private readonly run: RunState,
    private readonly place: Place<CompositeStep>,
    private readonly around: Surroundings,
  ) {
    this.children = childrenOf(place.step);
    this.cancellation = workScope(run.input);
    this.list = MapList.of(run, place);
  }

  begin(remains?: Remains): void {
    const { composite } = remains?.step ?? {};
    const goOn = (): void => {
      if (remains !== undefined && composite !== undefined) this.resume(composite, remains.unpacker);
      this.advance();
    };
    if (this.list === undefined) return goOn();
    const kept = composite?.list === undefined ? undefined : remains?.unpacker.value(composite.list);
    this.list.open(kept, (failure) => {
      if (failure === undefined) goOn();
      else this.end({ outcome: { type: 'failed', failure }, outputs: [], own: true });
    });
  }

  stop(): void {
    if (this.ended) return;
    this.ended = true;
    for (const child of this.running.values()) child.stop();
    this.running.clear();
    this.list?.stop();
    this.cancellation.cancel();
  }

  carried(packer: Packer): Partial<CarriedStep> {
    const { step: whole } = this.place;
    const list = this.list?.value;
    const isMap = whole.type === 'map';
    const visits = compressed(whole, this.visits).map((visit, index): CarriedVisit => {
      const { child, outcome } = visit;
      const step = this.running.get(index)?.carried(packer);
      const outputs = this.beside[index];
      return {
        child,
        ...(outcome === undefined || outcome.type === 'failed' ? {} : { outcome: packer.outcome(outcome) }),
        ...(outputs === undefined
          ? {}
          : isMap
            ? { left: outputs.length }
            : { outputs: packer.outputs(outputs) }),
        ...(step === undefined ? {} : { step }),
      };
    });
    const outputs = packer.outputs(isMap ? this.beside.flat() : this.line);
    const more = list === undefined ? {} : { list: packer.value(list) };
    return { composite: { visits, decisions: this.decisions, outputs, ...more } };
  }

  /** Takes up the visits of before: those that are over answer at once, the others go on where they were. */
  private resume({ visits, decisions, outputs }: CarriedComposite, unpacker: Unpacker): void {
    this.decisions = decisions;
    this.line.push(...unpacker.outputs(outputs));
    // Nothing may be decided before all of them are back.
    this.deciding = true;
    for (const { child, outcome, outputs: beside, left, step } of visits) {
      const index = this.visits.push({ child }) - 1;
      if (outcome !== undefined) this.visits[index] = { child, outcome: unpacker.outcome(outcome) };
      if (beside !== undefined) this.beside[index] = unpacker.outputs(beside);
      if (left !== undefined) this.beside[index] = this.line.splice(0, left);
      if (outcome === undefined) this.startVisit(index, step && { step, unpacker });
    }
    this.deciding = false;
  }

  private advance(): void {
    if (this.deciding || this.ended) return;
    this.deciding = true;
    while (this.carryOut(this.nextDecision()));
    this.deciding = false;
  }

  private nextDecision(): Decision {
    const { step, scope, address } = this.place;
    const decision = decide(step, this.visits, worldOf(this.run, scope, this.list?.length));
    if (decision.type !== 'wait')
      for (const decided of decision.decided ?? []) {
        this.decisions += 1;
        this.run.decided({ address, part: String(this.decisions) }, decided);
      }
    return decision;
  }

  /** Whether there is more to decide at once. */
  private carryOut(decision: Decision): boolean {
    switch (decision.type) {
      case 'start':
        for (const child of decision.children) this.startVisit(this.visits.push({ child }) - 1);
        return true;
      case 'cancel':
        for (const index of decision.visits) this.cancel(index);
        return true;
      case 'wait':
        return false;
      case 'finish': {
        const leaves = leavesOf(this.place.step, decision.output, this.visits);
        this.end({
          outcome: { type: 'done', output: decision.output, leaves },
          outputs: this.outputs(),
          own: false,
        });
        return false;
      }
      case 'fail': {
        const own = firstFailure(this.visits) === undefined;
        this.end({ outcome: { type: 'failed', failure: decision.failure }, outputs: [], own });
        return false;
      }
    }
  }

  private end(end: AttemptEnd): void {
    this.stop();
    this.around.ended(end);
  }

  private cancel(index: number): void {
    this.running.get(index)?.stop();
    this.running.delete(index);
    this.visits[index] = { child: this.visits[index]?.child ?? 0, outcome: { type: 'cancelled' } };
  }

  private startVisit(index: number, remains?: Remains): void {
    const { step: parent } = this.place;
    const child = this.visits[index]?.child ?? 0;
    const step = this.children[child];
    if (step === undefined) return;
    const entry = this.list?.entry(index) ?? this.place.entry;
    const place: Place = {
      step,
      parent,
      entry,
      address: visitAddress(this.place, this.visits, index),
      trail: this.trailOf(child),
      scope: this.scopeOf({ step: parent, child, entry }, index),
      // A branch that a quorum may dispense with must be stopped without the others.
      cancellation:
        parent.type === 'parallel' && parent.quorum !== undefined
          ? workScope(this.run.input)
          : this.cancellation,
    };
    const run = this.around.child(place, (result) => this.visitEnded(index, result));
    this.running.set(index, run);
    run.start(remains);
  }

  private visitEnded(index: number, { outcome, outputs }: StepResult): void {
    const child = this.visits[index]?.child ?? 0;
    const { step } = this.place;
    this.running.delete(index);
    this.visits[index] = { child, outcome };
    // A router's word is for its step.
    if (areBeside(step)) this.beside[index] = outputs;
    else if (!isRouter(step, child)) this.line.push(...outputs);
    this.advance();
  }

  private trailOf(child: number): Trail {
    const { step, trail } = this.place;
    // The entry stands in place of what came before the map, which would be given to each otherwise.
    if (step.type === 'map') return NO_TRAIL;
    if (step.type !== 'parallel') return { before: trail, outputs: this.line, length: this.line.length };
    if (!isAggregator(step, child)) return trail;
    const outputs = this.outputs();
    return { ...NO_TRAIL, outputs, length: outputs.length };
  }

  /** Computed when it is first asked for: most steps have no predicates. */
  private scopeOf(child: ChildOf, index: number): () => Scope {
    const { scope } = this.place;
    let known: Scope | undefined;
    return () => (known ??= scopeOfChild(child, this.visits.slice(0, index), scope()));
  }

  /** What the children that are done leave behind; those beside each other in plan order. */
  private outputs(): readonly PreviousOutput[] {
    if (!areBeside(this.place.step)) return this.line;
    const order = this.visits.map(({ child }, index) => ({ child, outputs: this.beside[index] ?? [] }));
    return order.toSorted((a, b) => a.child - b.child).flatMap(({ outputs }) => outputs);
  }
}
