import type { ContextChange } from '../protocol/context';
import type { Json } from '../protocol/json';
import type { Predicate } from '../protocol/predicate';
import type { LongWaitOptions } from './long-wait';

/** A key of the shared context as it stood when it was read. */
export interface ContextReading {
  readonly value: Json;
  /** Counts the key's changes from 1; what `compareAndSet` is given. */
  readonly version: number;
  /** The agent that changed it last, or `run`. */
  readonly author: string;
}

export interface WriteOptions {
  /** Leaves at once instead of with the completion of the turn. */
  readonly now?: boolean;
}

export interface WatchOptions extends LongWaitOptions {
  /** Then the answer is undefined. The agent's own time limit holds all the same. */
  readonly timeoutMs: number;
}

/** The changes of a key, oldest first. */
export interface HistoryOptions {
  /** Only those of later versions. */
  readonly after?: number;
  /** At most 100, which is also what holds where it is left out. */
  readonly limit?: number;
}

/** An agent's own keys: seen by this agent alone, in every one of its executions in the run. Written when the turn completes. */
export interface PrivateContext {
  get(key: string): Promise<Json | undefined>;
  set(key: string, value: Json): void;
  delete(key: string): void;
  merge(key: string, value: Json): Promise<void>;
  append(key: string, entry: Json): Promise<void>;
  history(key: string, options?: HistoryOptions): Promise<readonly ContextChange[]>;
}

/**
 * What the agents of a run share. Writes take effect when the turn completes, all of them or none, and are seen by the
 * agent itself at once. `compareAndSet`, `update` and what is written with `now` leave at once, each write once over all
 * attempts; a turn that ends does not wait for those that were not awaited. Refusals are AppErrors: CONTEXT_CONFLICT, CONTEXT_UNMERGEABLE, CONTEXT_LIMIT, INPUT_INVALID, ATTEMPT_FENCED.
 */
export interface SharedContext {
  /** A key's value; undefined where it has none. */
  get(key: string): Promise<Json | undefined>;
  /** The same with its version, as all see it: without what this turn has yet to write. */
  read(key: string): Promise<ContextReading | undefined>;
  set(key: string, value: Json): void;
  delete(key: string): void;
  /** Merges by what the plan says of the key. Throws CONTEXT_UNMERGEABLE where it does not fit, or a blob holds the value. */
  merge(key: string, value: Json, options?: WriteOptions): Promise<void>;
  /** Adds an entry to a list. Throws CONTEXT_UNMERGEABLE. */
  append(key: string, entry: Json, options?: WriteOptions): Promise<void>;
  /**
   * Sets a key that is still at that version; 0: that does not exist. Answers the new version, and throws CONTEXT_CONFLICT
   * where somebody was faster.
   */
  compareAndSet(key: string, version: number, value: Json): Promise<number>;
  /** Reads, changes and sets until nobody comes between; answers what it set. `change` may be called again. */
  update(key: string, change: (value: Json | undefined) => Json): Promise<Json>;
  /** Everything that had happened to a key when this agent was started, and what has been told since. */
  history(key: string, options?: HistoryOptions): Promise<readonly ContextChange[]>;
  /** Waits until a key holds what is wanted; undefined where it does not in time. */
  watch(key: string, where: Predicate, options: WatchOptions): Promise<ContextReading | undefined>;
  /** The agent's own keys. Throws CONTEXT_FORBIDDEN for those of any other agent. */
  private(agent?: string): PrivateContext;
}
