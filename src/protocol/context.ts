import { z } from 'zod';
import type { Json, Value } from './json';
import { LIMITS } from './limits';

/** How values of one key become one: `last`, `max`, `append`, `union`, or a merge that is defined in code. */
const MergeName = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,63}$/, 'must be lower-case letters, digits and dashes, at most 64 characters');

/** What a plan says of keys of the shared context, by key. */
export const ContextRules = z
  .record(z.string().min(1).max(LIMITS.contextKeyChars), z.strictObject({ merge: MergeName }))
  .refine((rules) => Object.keys(rules).length <= LIMITS.contextRules, {
    error: `declares more than ${LIMITS.contextRules} keys`,
  });
export type ContextRules = { readonly [key: string]: { readonly merge: string } };

/** What an agent does to the shared context. `merge` goes by what the plan says of the key, `append` adds an entry to a list. */
export type ContextWrite =
  | { readonly op: 'set'; readonly key: string; readonly value: Value }
  | { readonly op: 'merge' | 'append'; readonly key: string; readonly value: Value }
  | { readonly op: 'delete'; readonly key: string };

/** One that leaves at once, while the agent works. `version` 0: the key must not exist. */
export type ImmediateWrite =
  | ContextWrite
  | {
      readonly op: 'compare-and-set';
      readonly key: string;
      readonly version: number;
      readonly value: Value;
    };

/** Numbered from 1 within its agent run, over all attempts: the same number twice is one write. */
export interface NumberedWrite {
  readonly address: string;
  readonly number: number;
  readonly write: ImmediateWrite;
}

/** What a process sends a run at once: writes of all its agents together. */
export interface ContextBatch {
  readonly writes: readonly NumberedWrite[];
  /** What predicates ask of the blobs in it: by SHA-256, then by JSON pointer. */
  readonly facts?: { readonly [blob: string]: { readonly [pointer: string]: Json } };
  /** Also tell what the keys held before. */
  readonly recall?: boolean;
}

/** A key as it stood at some moment. `version` counts its changes from 1, deletions included. */
export interface ContextSeen {
  readonly value: Value;
  readonly version: number;
  readonly author: string;
}

export type RefusalCode =
  | 'CONTEXT_CONFLICT'
  | 'CONTEXT_UNMERGEABLE'
  | 'CONTEXT_LIMIT'
  | 'ATTEMPT_FENCED'
  | 'INPUT_INVALID';

/** What became of a write that left at once. */
export type WriteAnswer =
  | { readonly version: number; readonly before?: ContextSeen | null }
  | { readonly refused: RefusalCode; readonly message: string };

/** One change of a key, in the order of its versions. Times are ISO 8601. */
export interface ContextChange {
  readonly key: string;
  readonly version: number;
  readonly op: ImmediateWrite['op'];
  /** What was written; of a merge or an append what was added. Null of a deletion. */
  readonly value: Json;
  readonly author: string;
  /** The agent execution that did it, and whether with its completion or while it worked. */
  readonly cause: { readonly address: string; readonly at: 'completion' | 'once' };
  readonly at: string;
}
