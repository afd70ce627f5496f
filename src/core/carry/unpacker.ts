import type { Carried, PackedOutcome, PackedOutputs, PackedValue } from '../../protocol/carried';
import type { Value } from '../../protocol/json';
import type { PreviousOutput } from '../../protocol/run';
import type { StepOutcome } from '../strategies/strategy';

const NOTHING: Value = { inline: null };

/** Reads what a packer wrote. What nobody could have written reads as nothing. */
export class Unpacker {
  constructor(private readonly carried: Pick<Carried, 'values' | 'names'>) {}

  value(packed: PackedValue): Value {
    if (typeof packed === 'number') return this.carried.values[packed] ?? NOTHING;
    if ('list' in packed) return { list: packed.list.map((part) => this.value(part)) };
    return { record: this.record(packed.record) };
  }

  outcome({ type, output, leaves }: PackedOutcome): StepOutcome {
    if (type !== 'done') return { type };
    return {
      type,
      ...(output === undefined ? {} : { output: this.value(output) }),
      ...(leaves === undefined ? {} : { leaves: this.record(leaves) }),
    };
  }

  outputs({ list, values = {} }: PackedOutputs): PreviousOutput[] {
    if (list === '') return [];
    let before = '';
    return list.split(' ').map((entry, place) => {
      const [shared, rest = '', name] = entry.split('|');
      before = before.slice(0, Number(shared)) + rest;
      const output = values[place];
      return {
        address: before,
        agent: this.carried.names[Number(name)] ?? '',
        ...(output === undefined ? {} : { output: this.value(output) }),
      };
    });
  }

  private record(packed: { readonly [name: string]: PackedValue }): Record<string, Value> {
    return Object.fromEntries(Object.entries(packed).map(([name, value]) => [name, this.value(value)]));
  }
}
