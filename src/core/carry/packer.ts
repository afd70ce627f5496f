import type { PackedOutcome, PackedOutputs, PackedValue } from '../../protocol/carried';
import type { Value } from '../../protocol/json';
import type { PreviousOutput } from '../../protocol/run';
import type { StepOutcome } from '../strategies/strategy';

/** Packs what is carried over: values that turn up in many places are written once, addresses by what is new in them. */
export class Packer {
  readonly values: Value[] = [];
  readonly names: string[] = [];
  private readonly indexes = new Map<Value, number>();
  private readonly nameIndexes = new Map<string, number>();

  /** `instead`: what stands for values that were stored elsewhere. */
  constructor(private readonly instead: ReadonlyMap<Value, Value> = new Map()) {}

  value(given: Value): PackedValue {
    const value = this.instead.get(given) ?? given;
    if ('list' in value) return { list: value.list.map((part) => this.value(part)) };
    if ('record' in value) return { record: this.record(value.record) };
    const known = this.indexes.get(value);
    if (known !== undefined) return known;
    this.indexes.set(value, this.values.length);
    return this.values.push(value) - 1;
  }

  record(values: { readonly [name: string]: Value }): Record<string, PackedValue> {
    return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, this.value(value)]));
  }

  outcome(outcome: Exclude<StepOutcome, { type: 'failed' }>): PackedOutcome {
    if (outcome.type !== 'done') return { type: outcome.type };
    const { output, leaves } = outcome;
    return {
      type: 'done',
      ...(output === undefined ? {} : { output: this.value(output) }),
      ...(leaves === undefined ? {} : { leaves: this.record(leaves) }),
    };
  }

  outputs(outputs: readonly PreviousOutput[]): PackedOutputs {
    const values: Record<string, PackedValue> = {};
    let before = '';
    const list = outputs.map(({ address, agent, output }, place) => {
      if (output !== undefined) values[place] = this.value(output);
      const shared = sharedLength(before, address);
      before = address;
      return `${shared}|${address.slice(shared)}|${this.name(agent)}`;
    });
    return { list: list.join(' '), ...(Object.keys(values).length === 0 ? {} : { values }) };
  }

  private name(name: string): number {
    const known = this.nameIndexes.get(name);
    if (known !== undefined) return known;
    this.nameIndexes.set(name, this.names.length);
    return this.names.push(name) - 1;
  }
}

function sharedLength(one: string, other: string): number {
  let length = 0;
  while (length < one.length && one[length] === other[length]) length += 1;
  return length;
}
