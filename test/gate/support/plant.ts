import type { Finding } from '../../../src/agents/dependency-gate/finding';
import type { LockModel, LockVersion, ModelEntry } from './lock-model';

/** What the gate must say about a planted package; the claim and its evidence are checked elsewhere. */
export type Expected = Pick<
  Finding,
  'kind' | 'check' | 'severity' | 'package' | 'version' | 'location' | 'dev' | 'change'
>;

export interface Ground {
  readonly base: LockModel;
  readonly head: LockModel;
  /** Unique in its project, so that plants do not touch each other. */
  readonly name: string;
  readonly dev: boolean;
}

/** One thing a change may bring in, and what follows from it. */
export interface Plant {
  readonly name: string;
  readonly versions: readonly LockVersion[];
  plant(ground: Ground): readonly Expected[];
}

export const ALL: readonly LockVersion[] = [1, 2, 3];
export const MODERN: readonly LockVersion[] = [2, 3];

export type Said = Pick<Finding, 'kind' | 'check' | 'severity'>;

/** Adds a package to the head alone, required by the root. */
export function added(ground: Ground, facts: ModelEntry, range = '^1.0.0'): string {
  const { head, name, dev } = ground;
  head.require(name, { as: dev ? 'devDependencies' : 'dependencies', range });
  return head.add(name, facts);
}

/** Has a package in both files, with some facts set otherwise in the head. */
export function altered(ground: Ground, before: ModelEntry, after: ModelEntry): string {
  const { base, head, name, dev } = ground;
  for (const model of [base, head]) model.require(name, { as: dev ? 'devDependencies' : 'dependencies' });
  base.add(name, before);
  return head.add(name, { ...before, ...after });
}

export function about(ground: Ground, location: string, said: Said & Partial<Expected>): Expected {
  const entry = ground.head.at(location);
  return {
    package: entry.name ?? ground.name,
    version: entry.version ?? null,
    location,
    dev: ground.dev,
    change: 'added',
    ...said,
  };
}

export const high = (kind: Said['kind'], check: string): Said => ({ kind, check, severity: 'high' });
export const low = (kind: Said['kind'], check: string): Said => ({ kind, check, severity: 'low' });
export const unknown = (kind: Said['kind'], check: string): Said => ({ kind, check, severity: 'unknown' });

/** A plant that adds one package with these facts, of which the gate says this. */
export function addition(name: string, facts: ModelEntry, said: readonly Said[], versions = MODERN): Plant {
  return {
    name,
    versions,
    plant: (ground) => {
      const location = added(ground, facts);
      return said.map((one) => about(ground, location, one));
    },
  };
}

/** A plant that alters one package, of which the gate says this. */
export function alteration(
  name: string,
  [before, after]: readonly [ModelEntry, ModelEntry],
  said: readonly Said[],
  versions = MODERN,
): Plant {
  return {
    name,
    versions,
    plant: (ground) => {
      const location = altered(ground, before, after);
      return said.map((one) => about(ground, location, { ...one, change: 'changed' }));
    },
  };
}

/** A plant whose package comes from this address, which a registry range does not ask for unless `asked` does. */
export function source(
  name: string,
  resolved: string,
  { asked = '^1.0.0', said = [] as readonly Said[] },
): Plant {
  return {
    name,
    versions: MODERN,
    plant: (ground) => {
      const location = added(ground, { resolved }, asked);
      if (resolved.startsWith('git')) delete ground.head.at(location).integrity;
      return said.map((one) => about(ground, location, one));
    },
  };
}
