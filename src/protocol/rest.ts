import type { Effects } from './agent';
import type { Json, Value } from './json';
import type { Predicate } from './predicate';

/** Who or what can end a long wait beside the run's members: nobody, somebody outside of the run, or its time-out. */
export const WOKEN_BY = ['members', 'outside', 'timeout'] as const;
export type WokenBy = (typeof WOKEN_BY)[number];

/** What an agent sleeps for. */
export type WaitsFor =
  /** `from`: the only members who can send it, where the agent says so. */
  | { readonly for: 'message'; readonly from?: readonly string[] | undefined }
  /** `version`: the one that the agent has seen. */
  | {
      readonly for: 'context';
      readonly key: string;
      readonly where: Predicate;
      readonly version: number;
    };

/** How an agent sleeps, as its run needs to know it. */
export interface Asleep extends NewAsleep {
  /** Context writes that left at once, over all turns so far: the next one is numbered after them. */
  readonly written: number;
}

/** The same before it is stored. */
export interface NewAsleep {
  /** The turn that ended, from 1. */
  readonly turn: number;
  /** When it is woken all the same; milliseconds since 1970. */
  readonly untilMs: number;
  readonly waitsFor: WaitsFor;
  readonly wokenBy: WokenBy;
}

/** What a turn brings back whose agent lay down. */
export interface AgentRest {
  readonly agentRunId: string;
  readonly effects: Effects;
  /** As of an agent's result. */
  readonly facts?: { readonly [blob: string]: { readonly [pointer: string]: Json } } | undefined;
  readonly asleep: Asleep;
}

/** What the next turn is told of the one that ended. */
export interface Resumption {
  readonly checkpoint: Value;
  readonly untilMs: number;
  readonly written: number;
  /** Of the wait that ended the turn: the same one goes on where it was. */
  readonly wait: WaitKey;
}

/** Which wait it is: by what it waits for, in canonical JSON; a request also by the message it has sent. */
export interface WaitKey {
  readonly key: string;
  readonly correlationId?: string | undefined;
}

/** A turn that ends: what the run needs to know, and what the next turn does. */
export interface NewRest extends Omit<AgentRest, 'asleep'> {
  readonly asleep: NewAsleep;
  readonly resumption: Omit<Resumption, 'untilMs' | 'written'>;
  /** Over the messages of the mailbox. */
  readonly filter?: Predicate | undefined;
}
