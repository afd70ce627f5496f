import type { GraphNode } from '../tools/lockfile/graph';
import type { PackageSource } from '../tools/lockfile/source';
import type { LockChange } from './analysis';
import type { Arrival } from './cite';
import type { Evidence, Severity } from './finding';

/** One statement of a check; the package it is about is known from where it ran. */
export interface Statement {
  readonly check: string;
  readonly severity: Severity;
  /** Continues the package's name: "has no integrity". */
  readonly says: string;
  readonly evidence: readonly Evidence[];
}

/** What a provenance check looks at. */
export interface ProvenanceView {
  readonly arrival: Arrival;
  readonly source: PackageSource;
  readonly change: LockChange;
  /** The same package in the same version, elsewhere in either file. */
  readonly twins: { readonly base: readonly GraphNode[]; readonly head: readonly GraphNode[] };
  /** The registry host most packages of the head come from. */
  readonly usualHost: string | null;
  /** Whether the base already fetched packages of this scope from this host. */
  readonly isKnownHost: (host: string) => boolean;
}

/** One question about one package; null where there is nothing to say. */
export type ProvenanceCheck = (view: ProvenanceView) => Statement | null;
