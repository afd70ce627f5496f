import type { ContextRules, ContextWrite } from '../../protocol/context';
import type { Json } from '../../protocol/json';
import { appended, mergeNamed } from './merges';

/** A write that takes effect when the turn completes. `value` is null of a deletion. */
export interface PendingWrite {
  readonly op: ContextWrite['op'];
  readonly key: string;
  readonly value: Json;
}

/** What one turn has written so far, in order. What it sets or deletes makes its earlier writes of the key pointless. */
export class PendingWrites {
  private readonly byKey = new Map<string, PendingWrite[]>();
  private count = 0;

  constructor(private readonly rules: ContextRules = {}) {}

  get size(): number {
    return this.count;
  }

  has(key: string): boolean {
    return this.byKey.has(key);
  }

  add(write: PendingWrite): void {
    const before = this.byKey.get(write.key) ?? [];
    const kept = isAbsolute(write) ? [write] : [...before, write];
    this.count += kept.length - before.length;
    this.byKey.set(write.key, kept);
  }

  list(): readonly PendingWrite[] {
    return [...this.byKey.values()].flat();
  }

  /** Whether what the key holds without them matters. */
  needsBase(key: string): boolean {
    const [first] = this.byKey.get(key) ?? [];
    return first === undefined || !isAbsolute(first);
  }

  /** What a key holds with them. A merge that is not known here, or does not fit, changes nothing. */
  over(key: string, base: Json | undefined): Json | undefined {
    let value = this.needsBase(key) ? base : this.absolute(key);
    for (const write of this.byKey.get(key) ?? []) {
      const after = this.after(write, value);
      if (after !== undefined) value = after;
    }
    return value;
  }

  private absolute(key: string): Json | undefined {
    const [first] = this.byKey.get(key) ?? [];
    return first === undefined || first.op === 'delete' ? undefined : first.value;
  }

  private after({ op, key, value }: PendingWrite, current: Json | undefined): Json | undefined {
    if (op === 'set' || op === 'delete') return current;
    if (op === 'append') return appended(current, value);
    return mergeNamed(this.rules[key]?.merge ?? 'last')?.(current, value);
  }
}

function isAbsolute({ op }: PendingWrite): boolean {
  return op === 'set' || op === 'delete';
}
