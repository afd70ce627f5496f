import type { AgentInfo, Degradation, Usage } from './agent';
import type { Json, Value } from './json';
import type { Asleep } from './rest';

/**
 * What a run's workflow hands to itself when it continues as new: compact, and nothing of what is over but what later
 * steps can still see. A reader understands every version that was ever written.
 */
export interface Carried {
  readonly schemaVersion: 1;
  /** How often the run has continued as new. */
  readonly continued: number;
  /** Values without parts, each once; others refer to them by index. */
  readonly values: readonly Value[];
  /** Names of agents and steps, likewise. */
  readonly names: readonly string[];
  readonly facts: { readonly [blob: string]: { readonly [pointer: string]: Json } };
  readonly context: readonly CarriedEntry[];
  readonly usage: Usage;
  readonly degraded: readonly Degradation[];
  /** The latest executions, and how many came before them. */
  readonly executions: readonly CarriedExecution[];
  readonly earlierExecutions: number;
  readonly roster: readonly AgentInfo[];
  /** Agent executions so far, and those set aside for child runs. */
  readonly used: number;
  /** Whether the parent has asked to be told of the run's end. */
  readonly tellsEnd: boolean;
  /** The last message that each step which goes round has waited for. */
  readonly heard?: { readonly [address: string]: number } | undefined;
  readonly plan: CarriedStep;
}

/** A key of the shared context. */
export interface CarriedEntry {
  readonly key: string;
  /** Absent where it was deleted. */
  readonly value?: PackedValue | undefined;
  readonly version: number;
  readonly author: string;
}

export interface CarriedExecution {
  readonly address: string;
  readonly agent: string;
  readonly status: string;
}

/** A value: an index into the table, or made of others. */
export type PackedValue =
  | number
  | { readonly record: { readonly [key: string]: PackedValue } }
  | { readonly list: readonly PackedValue[] };

/** A step under way. */
export interface CarriedStep {
  /** What it is at: an attempt, the pause before that attempt, or its fallback. */
  readonly at: 'attempt' | 'pause' | 'fallback';
  /** From 1. */
  readonly attempt: number;
  /** When the attempt's time is over, or the pause, or the timer that the step is; milliseconds since 1970. */
  readonly until?: number | undefined;
  /** Of an agent that sleeps. */
  readonly asleep?: Asleep | undefined;
  /** Of a child run that was accepted. */
  readonly childRun?: string | undefined;
  readonly composite?: CarriedComposite | undefined;
}

export interface CarriedComposite {
  /** In the order of starts. */
  readonly visits: readonly CarriedVisit[];
  /** Decisions recorded so far: their events are numbered. */
  readonly decisions: number;
  /** What its visits leave to agents that come later, where they come one after another; of a map those of all entries. */
  readonly outputs: PackedOutputs;
  /** What a map goes over. */
  readonly list?: PackedValue | undefined;
}

/** A start of a child: over, with its outcome, or under way. */
export interface CarriedVisit {
  readonly child: number;
  readonly outcome?: PackedOutcome | undefined;
  /** What it leaves to agents that come later, where it stands beside others. */
  readonly outputs?: PackedOutputs | undefined;
  /** How many of the step's outputs are its own: an entry of a map, of which there may be many. */
  readonly left?: number | undefined;
  readonly step?: CarriedStep | undefined;
}

/** A failed visit has ended its step, so none is carried. */
export interface PackedOutcome {
  readonly type: 'done' | 'skipped' | 'left-out' | 'cancelled';
  readonly output?: PackedValue | undefined;
  readonly leaves?: { readonly [name: string]: PackedValue } | undefined;
}

/** Outputs by address, each as `shared|rest|name`: how much it begins like the one before it, and the name's index. */
export interface PackedOutputs {
  readonly list: string;
  /** Values that no row holds, by their place in the list. */
  readonly values?: { readonly [place: string]: PackedValue } | undefined;
}
