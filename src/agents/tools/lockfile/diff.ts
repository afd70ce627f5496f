import { type LockEntry, memberOf } from './entry';
import type { Graph, GraphNode } from './graph';
import { Pacer } from './pacer';
import { type DependencyPaths, findPaths } from './paths';

/** Facts by which an entry counts as changed. */
export const CHANGED_FIELDS = [
  'name',
  'version',
  'resolved',
  'integrity',
  'license',
  'hasInstallScript',
  'engines',
  'deprecated',
  'link',
  'inBundle',
  'promoted',
] as const;
/** A fact that differs between two entries; `promoted` is a development package that production now reaches. */
export type ChangedField = (typeof CHANGED_FIELDS)[number];

/** A lock file with what is computed from it. */
export interface LockSide {
  readonly graph: Graph;
  readonly paths: DependencyPaths;
}

/** What happened to one package. */
export interface PackageChange {
  readonly change: 'added' | 'changed' | 'moved' | 'removed';
  readonly before: GraphNode | null;
  readonly after: GraphNode | null;
  readonly fields: readonly ChangedField[];
}

/** Computes what `diffLocks` compares. */
export async function sideOf(graph: Graph): Promise<LockSide> {
  return { graph, paths: await findPaths(graph) };
}

/** Development only: the lock says so and no production chain of the graph contradicts it. */
export function isDevelopmentOnly(side: LockSide, node: GraphNode): boolean {
  return node.entry.dev && !(side.graph.rootKnown && side.paths.inProduction(node));
}

/**
 * Pairs the packages of two locks: first what stays in its place, then what moved as it is, then what changed in its
 * place; the rest was added or removed. The root itself is not a package.
 */
export async function diffLocks(base: LockSide | null, head: LockSide): Promise<readonly PackageChange[]> {
  const pacer = new Pacer();
  const old = new Set(base === null ? [] : packagesOf(base.graph));
  const fresh = new Set(packagesOf(head.graph));
  const changes: PackageChange[] = [];
  const pair = async (twinOf: (node: GraphNode) => GraphNode | undefined, moved: boolean): Promise<void> => {
    for (const after of fresh) {
      if (pacer.due()) await pacer.pause();
      const before = twinOf(after);
      if (base === null || before === undefined || !old.has(before)) continue;
      old.delete(before);
      fresh.delete(after);
      const fields = changedFields([base, before], [head, after]);
      if (moved) changes.push({ change: 'moved', before, after, fields });
      else if (fields.length > 0) changes.push({ change: 'changed', before, after, fields });
    }
  };
  const inPlace = (node: GraphNode): GraphNode | undefined => base?.graph.byLocation.get(node.entry.location);
  await pair((node) => sameIdentity(inPlace(node), node), false);
  const homeless = byIdentity(old);
  await pair((node) => homeless.get(identityOf(node.entry))?.shift(), true);
  await pair(inPlace, false);
  for (const after of fresh) changes.push({ change: 'added', before: null, after, fields: [] });
  for (const before of old) changes.push({ change: 'removed', before, after: null, fields: [] });
  return changes.sort(byLocation);
}

function packagesOf(graph: Graph): readonly GraphNode[] {
  return graph.nodes.filter((node) => node !== graph.root);
}

function identityOf(entry: LockEntry): string {
  return `${entry.name}\n${entry.packageName}\n${entry.version ?? ''}\n${entry.linkTarget ?? ''}`;
}

function sameIdentity(before: GraphNode | undefined, after: GraphNode): GraphNode | undefined {
  return before !== undefined && identityOf(before.entry) === identityOf(after.entry) ? before : undefined;
}

/** What is left over after the first pairing, in lists that the second takes from. */
function byIdentity(nodes: ReadonlySet<GraphNode>): ReadonlyMap<string, GraphNode[]> {
  const groups = new Map<string, GraphNode[]>();
  for (const node of nodes) {
    const key = identityOf(node.entry);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [node]);
    else group.push(node);
  }
  return groups;
}

function changedFields(
  [base, before]: readonly [LockSide, GraphNode],
  [head, after]: readonly [LockSide, GraphNode],
): readonly ChangedField[] {
  const [a, b] = [before.entry, after.entry];
  const fields: ChangedField[] = [];
  const add = (field: ChangedField, differs: boolean): void => void (differs && fields.push(field));
  add('name', a.packageName !== b.packageName);
  add('version', a.version !== b.version);
  // A source that is left out says nothing; one that is new or different does.
  add('resolved', b.resolved !== null && a.resolved !== b.resolved);
  add('integrity', a.integrity !== b.integrity);
  add('link', a.linkTarget !== b.linkTarget);
  add('inBundle', a.bundled !== b.bundled);
  add('promoted', isDevelopmentOnly(base, before) && !isDevelopmentOnly(head, after));
  // Version 1 records none of these, so between formats their difference says nothing about the package.
  if (base.graph.lock.legacy === head.graph.lock.legacy) {
    add('license', textOf(a, 'license') !== textOf(b, 'license'));
    add('hasInstallScript', a.installScript !== b.installScript);
    add('engines', textOf(a, 'engines') !== textOf(b, 'engines'));
    add('deprecated', a.deprecated !== b.deprecated);
  }
  return fields;
}

function textOf(entry: LockEntry, field: 'license' | 'engines'): string {
  return JSON.stringify(memberOf(entry, field) ?? null);
}

function byLocation(a: PackageChange, b: PackageChange): number {
  const [x, y] = [locationOf(a), locationOf(b)];
  return x < y ? -1 : x > y ? 1 : 0;
}

function locationOf({ after, before }: PackageChange): string {
  return (after ?? before)?.entry.location ?? '';
}
