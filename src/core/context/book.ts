import type {
  ContextRules,
  ContextSeen,
  ImmediateWrite,
  RefusalCode,
  WriteAnswer,
} from '../../protocol/context';
import type { Json, Value } from '../../protocol/json';
import { LIMITS } from '../../protocol/limits';
import { contextKeyProblem } from './keys';
import { appended, mergeNamed } from './merges';

/** One key of a context. */
export interface ContextEntry {
  /** Absent once it was deleted; its version goes on counting. */
  readonly value?: Value;
  readonly version: number;
  readonly author: string;
}

type Refused = Extract<WriteAnswer, { readonly refused: RefusalCode }>;

/** The keys of one context, and how writes change them. */
export class ContextBook {
  private readonly entries = new Map<string, ContextEntry>();
  private live = 0;

  constructor(private readonly rules: ContextRules = {}) {}

  /** A key as it stands; undefined where it has no value. */
  seen(key: string): ContextSeen | undefined {
    const { value, version = 0, author = '' } = this.entries.get(key) ?? {};
    return value === undefined ? undefined : { value, version, author };
  }

  /** Values by key. */
  values(): Record<string, Value> {
    const found: [string, Value][] = [];
    for (const [key, { value }] of this.entries) if (value !== undefined) found.push([key, value]);
    return Object.fromEntries(found);
  }

  /** Everything, deleted keys too. */
  all(): readonly (readonly [string, ContextEntry])[] {
    return [...this.entries];
  }

  restore(key: string, entry: ContextEntry): void {
    this.keep(key, entry);
  }

  /** What the run itself says: any key, whatever it held. */
  put(key: string, value: Value, author: string): void {
    this.keep(key, { value, version: this.versionOf(key) + 1, author });
  }

  /** Makes one change, or none and says why. */
  write(write: ImmediateWrite, author: string): WriteAnswer {
    const { key } = write;
    const problem = contextKeyProblem(key);
    if (problem !== undefined) return refused('INPUT_INVALID', problem);
    const current = this.entries.get(key)?.value;
    const value = this.outcome(write, current);
    if (value !== undefined && 'refused' in value) return value;
    if (current === undefined && value !== undefined && this.live >= LIMITS.contextKeysPerRun)
      return refused(
        'CONTEXT_LIMIT',
        `The run has ${this.live} context keys; the limit is ${LIMITS.contextKeysPerRun} (contextKeysPerRun)`,
      );
    const version = this.versionOf(key) + 1;
    this.keep(key, { ...(value === undefined ? {} : { value }), version, author });
    return { version };
  }

  private versionOf(key: string): number {
    return this.entries.get(key)?.version ?? 0;
  }

  private keep(key: string, entry: ContextEntry): void {
    const before = this.entries.get(key)?.value;
    this.live += Number(entry.value !== undefined) - Number(before !== undefined);
    this.entries.set(key, entry);
  }

  private outcome(write: ImmediateWrite, current: Value | undefined): Value | undefined | Refused {
    switch (write.op) {
      case 'set':
        return write.value;
      case 'delete':
        return undefined;
      case 'compare-and-set':
        return this.compared(write, current);
      case 'merge':
      case 'append':
        return combined(write, current, this.rules);
      default:
        // Whoever may speak to Temporal may write anything.
        return refused('INPUT_INVALID', 'There is no such context write');
    }
  }

  private compared(
    { key, version, value }: Extract<ImmediateWrite, { op: 'compare-and-set' }>,
    current: Value | undefined,
  ): Value | Refused {
    const held = current === undefined ? 0 : this.versionOf(key);
    if (held === version) return value;
    const found = held === 0 ? 'does not exist' : `is at version ${held}`;
    return refused('CONTEXT_CONFLICT', `Context key "${key}" ${found}, not at version ${version}`);
  }
}

/** What a merge or an append makes of what is there. */
export function combined(
  { op, key, value }: { readonly op: 'merge' | 'append'; readonly key: string; readonly value: Value },
  current: Value | undefined,
  rules: ContextRules,
): Value | Refused {
  const name = op === 'append' ? 'append' : (rules[key]?.merge ?? 'last');
  if (op === 'merge' && name === 'last') return value;
  const merge = op === 'append' ? appended : mergeNamed(name);
  if (merge === undefined)
    return refused('CONTEXT_UNMERGEABLE', `No merge "${name}" is defined for context key "${key}"`);
  if (!('inline' in value) || (current !== undefined && !('inline' in current)))
    return refused(
      'CONTEXT_UNMERGEABLE',
      `Context key "${key}" holds or is given a value that is kept as a blob; set it, or compare and set it`,
    );
  const inline = tried(merge, current?.inline, value.inline);
  if (inline === undefined)
    return refused('CONTEXT_UNMERGEABLE', `What is given to context key "${key}" does not fit "${name}"`);
  const bytes = new TextEncoder().encode(JSON.stringify(inline)).length;
  if (bytes > LIMITS.contextMergedBytes)
    return refused(
      'CONTEXT_LIMIT',
      `Context key "${key}" would come to ${bytes} bytes; the limit is ${LIMITS.contextMergedBytes} (contextMergedBytes)`,
    );
  return { inline };
}

/** Merges are anybody's code, and one that throws must not stop the run. */
function tried(
  merge: (current: Json | undefined, given: Json) => Json | undefined,
  current: Json | undefined,
  given: Json,
): Json | undefined {
  try {
    return merge(current, given);
  } catch {
    return undefined;
  }
}

function refused(code: RefusalCode, message: string): Refused {
  return { refused: code, message };
}
