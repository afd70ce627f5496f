import type { Step } from '../../protocol/plan';
import { planAddress } from '../addresses';
import { pointerOf } from '../pointer';
import { rootPlace } from './places';
import { readsOf } from './reads';
import { findIn } from './shapes';

/** Which pointers the predicates of a plan may ask for, of what; sorted, each once. */
export interface FactsWanted {
  /** Of what is made at an address of the plan: by an agent or a child run. */
  readonly outputs: { readonly [address: string]: readonly string[] };
  /** Of every entry that the map at an address goes over, where they lie in a blob. */
  readonly entries: { readonly [address: string]: readonly string[] };
  /** Of the context's keys, whoever writes them. */
  readonly context: { readonly [key: string]: readonly string[] };
  readonly input: readonly string[];
  readonly task: readonly string[];
}

/** Computed once per run: what is to be extracted wherever a value is stored as a blob. Child runs want their own. */
export function factsWanted(plan: Step): FactsWanted {
  const outputs = new Map<string, Set<string>>();
  const entries = new Map<string, Set<string>>();
  const context = new Map<string, Set<string>>();
  const own = { input: new Set<string>(), task: new Set<string>() };
  const under = (group: Map<string, Set<string>>, key: string): Set<string> => {
    const pointers = group.get(key) ?? new Set();
    group.set(key, pointers);
    return pointers;
  };
  for (const { target } of readsOf(rootPlace(plan))) {
    if (!('shape' in target)) continue;
    for (const found of findIn(target.shape, target.tokens)) {
      if (!('at' in found)) continue;
      const pointer = pointerOf(found.tokens);
      if (found.at.kind === 'made') under(outputs, found.at.address).add(pointer);
      else if (found.at.kind === 'entry') under(entries, found.at.map).add(pointer);
      else if (found.at.source?.from === 'context') under(context, found.at.source.key).add(pointer);
      else if (found.at.source !== undefined) own[found.at.source.from].add(pointer);
    }
  }
  return {
    outputs: sortedGroups(outputs),
    entries: sortedGroups(entries),
    context: sortedGroups(context),
    input: [...own.input].toSorted(),
    task: [...own.task].toSorted(),
  };
}

/** What is wanted of the output of one execution, or of the entries of a map, whichever visit and attempt it is. */
export function factsWantedAt(
  wanted: FactsWanted,
  address: string,
  of: 'outputs' | 'entries' = 'outputs',
): readonly string[] {
  return wanted[of][planAddress(address)] ?? [];
}

function sortedGroups(groups: ReadonlyMap<string, ReadonlySet<string>>): Record<string, readonly string[]> {
  return Object.fromEntries([...groups].map(([key, pointers]) => [key, [...pointers].toSorted()]));
}
