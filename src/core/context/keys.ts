import { LIMITS } from '../../protocol/limits';

/** What is wrong with a key that an agent wants to write; undefined when nothing is. */
export function contextKeyProblem(key: string): string | undefined {
  if (key.length === 0) return 'a context key must not be empty';
  if (key.length > LIMITS.contextKeyChars)
    return `context key "${key.slice(0, 40)}..." has ${key.length} characters; the limit is ${LIMITS.contextKeyChars}`;
  if (RESERVED.has(key)) return `context key "${key}" belongs to the run; choose another`;
  return undefined;
}

const RESERVED: ReadonlySet<string> = new Set(['task', 'run_id', 'status']);
