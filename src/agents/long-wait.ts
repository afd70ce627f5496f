import type { Json } from '../protocol/json';
import type { Predicate } from '../protocol/predicate';
import type { WaitKey, WaitsFor, WokenBy } from '../protocol/rest';

/** How long an agent that may lie down waits at its slot, unless told. */
const STAYS_MS = 30_000;

/** What lets a wait last for days: the turn ends, and the next one begins when there is something to go on with. */
export interface LongWaitOptions {
  /**
   * Where to go on. With it the agent lies down once it has waited for long: its turn ends, no slot is held, and the next
   * turn finds this as `task.checkpoint`. Everything the turn has read counts as read, and what it wrote is written.
   */
  readonly checkpoint?: Json | undefined;
  /** How long it waits before it lies down: 30 s unless told. */
  readonly staysMs?: number | undefined;
  /**
   * Who or what may end the wait beside the other members: somebody `outside` of the run, or its `timeout`. A run whose
   * members all sleep, none of them with either, fails with DEADLOCK.
   */
  readonly wokenBy?: WokenBy | undefined;
}

/** What an agent that lies down asks for. */
export interface RestWish {
  readonly checkpoint: Json;
  readonly untilMs: number;
  readonly waitsFor: WaitsFor;
  readonly wokenBy: WokenBy;
  readonly wait: WaitKey;
  /** Over the messages of its mailbox. */
  readonly filter?: Predicate | undefined;
}

/** A wait that may outlast its turn. */
export interface LongWait {
  /** When it ends; milliseconds since 1970. */
  readonly untilMs: number;
  /** Of the request that an earlier turn has sent. */
  readonly correlationId?: string | undefined;
}

/** The long waits of one turn. */
export interface Rests {
  /** Begins a wait, or goes on with the one that the turn before lay down in. */
  begin(key: string, timeoutMs: number): LongWait;
  /** Ends the turn. Never resolves; rejects where the turn cannot be ended well. */
  lieDown(wish: RestWish): Promise<never>;
}

/** How much of a wait is spent at the slot. */
export function staysFor({ checkpoint, staysMs = STAYS_MS }: LongWaitOptions, leftMs: number): number {
  return checkpoint === undefined ? leftMs : Math.min(leftMs, staysMs);
}
