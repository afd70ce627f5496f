import type { CancellationScope } from '@temporalio/workflow';
import type { CarriedStep } from '../protocol/carried';
import type { CompositeStep, Step } from '../protocol/plan';
import type { PreviousOutput } from '../protocol/run';
import type { Packer } from '../core/carry/packer';
import type { Unpacker } from '../core/carry/unpacker';
import type { Entry } from '../core/entries';
import type { Scope, World } from '../core/scope';
import type { StepOutcome } from '../core/strategies/strategy';
import type { Trail } from '../core/trail';
import type { RunState } from './run-state';

/** A step in its place: where it stands, in what, and what came before it. */
export interface Place<S extends Step = Step> {
  readonly step: S;
  readonly address: string;
  readonly parent?: CompositeStep | undefined;
  readonly trail: Trail;
  /** What its predicates see, but for the context, which is what it is when they are asked. */
  readonly scope: () => Scope;
  /** Of the innermost map around it. */
  readonly entry?: Entry | undefined;
  /** What its work is cancelled by. */
  readonly cancellation: CancellationScope;
}

/** What is left of a step that was under way when its workflow continued as new. */
export interface Remains {
  readonly step: CarriedStep;
  readonly unpacker: Unpacker;
}

/** How a step ended, and the agent outputs it leaves to what comes after it. */
export interface StepResult {
  readonly outcome: StepOutcome;
  readonly outputs: readonly PreviousOutput[];
}

/** How an attempt ended. `own`: its failure began in it and not in a child. */
export interface AttemptEnd extends StepResult {
  readonly own: boolean;
}

export type Done<T = StepResult> = (result: T) => void;

/** Something under way. Once it is stopped it calls nobody back; what it has started ends by itself. */
export interface Running {
  stop(): void;
  /** What a workflow that continues as new must know of it. */
  carried(packer: Packer): Partial<CarriedStep>;
}

/** Looked into only by those who ask: most decisions depend on nothing but what has ended. */
export function worldOf(run: RunState, scope: () => Scope, entries?: number): World {
  return {
    entries,
    get scope() {
      return { ...scope(), context: run.readContext() };
    },
    get facts() {
      return run.facts;
    },
  };
}
