import type { Value } from '../protocol/json';
import type { ContextWrite } from '../protocol/agent';
import { LIMITS } from '../protocol/limits';

/** One key of the shared context. `version` counts its writes from 1. */
export interface ContextEntry {
  readonly value: Value;
  readonly version: number;
  readonly author: string;
}

/** The shared context of one run: what agents query and what their completed turns change. */
export type SharedContext = ReadonlyMap<string, ContextEntry>;

/** Applies the writes of one completed turn, all of them; returns a new context. */
export function applyWrites(
  context: SharedContext,
  writes: readonly ContextWrite[],
  author: string,
): SharedContext {
  const next = new Map(context);
  for (const { key, value } of writes)
    next.set(key, { value, version: (next.get(key)?.version ?? 0) + 1, author });
  return next;
}

/** What is wrong with a key that an agent wants to write; undefined when nothing is. */
export function contextKeyProblem(key: string): string | undefined {
  if (key.length === 0) return 'a context key must not be empty';
  if (key.length > LIMITS.contextKeyChars)
    return `context key "${key.slice(0, 40)}..." has ${key.length} characters; the limit is ${LIMITS.contextKeyChars}`;
  if (RESERVED.has(key)) return `context key "${key}" belongs to the run; choose another`;
  return undefined;
}

const RESERVED: ReadonlySet<string> = new Set(['task', 'run_id', 'status']);
