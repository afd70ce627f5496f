import { AppError } from '../../../protocol/failures';
import type { Json, JsonObject } from '../../../protocol/json';
import { type Lock, type LockEntry, isInstalled } from './entry';
import { matchesWorkspaces } from './glob';
import { Pacer } from './pacer';
import { rangesAt } from './read-fields';

/** Why one package leads to another; `workspace` and `link` are ours, the others are sections of a manifest. */
export const EDGE_TYPES = ['prod', 'dev', 'optional', 'peer', 'peerOptional', 'workspace', 'link'] as const;
export type EdgeType = (typeof EDGE_TYPES)[number];

/** One wish for a package, and the place that fulfils it. */
export interface Edge {
  readonly from: GraphNode;
  /** Null where the lock holds nothing of that name within reach. */
  readonly to: GraphNode | null;
  readonly name: string;
  readonly range: string;
  readonly type: EdgeType;
}

/** A package at its place in the tree. */
export interface GraphNode {
  /** Position in `Graph.nodes`, for algorithms that keep arrays. */
  readonly index: number;
  readonly entry: LockEntry;
  /** Where its own wishes are looked for next; null at the top. */
  readonly parent: GraphNode | null;
  /** What a link points at. */
  readonly target: GraphNode | null;
  /** Part of the project itself: the root, a workspace, a linked folder. */
  readonly local: boolean;
  readonly workspace: boolean;
  readonly edgesOut: readonly Edge[];
  readonly edgesIn: readonly Edge[];
}

/** The dependency graph a lock file describes. */
export interface Graph {
  readonly lock: Lock;
  readonly root: GraphNode;
  readonly nodes: readonly GraphNode[];
  readonly byLocation: ReadonlyMap<string, GraphNode>;
  /** False in version 1: it does not say which packages the root itself asks for. */
  readonly rootKnown: boolean;
}

interface Draft extends GraphNode {
  parent: Draft | null;
  target: Draft | null;
  workspace: boolean;
  children: Map<string, Draft> | null;
  edgesOut: Edge[];
  edgesIn: Edge[];
}

/** Builds the graph by the walk Node.js makes: own node_modules first, then each folder above. */
export async function buildGraph(lock: Lock): Promise<Graph> {
  const pacer = new Pacer();
  const byLocation = new Map<string, Draft>();
  for (const entry of lock.entries.values()) byLocation.set(entry.location, draftOf(entry, byLocation.size));
  for (const node of byLocation.values()) {
    adopt(node, byLocation);
    if (pacer.due()) await pacer.pause();
  }
  const root = byLocation.get('');
  if (root === undefined) throw new AppError('INTERNAL', 'a lock without a root entry was built');
  markWorkspaces(root, byLocation);
  for (const node of byLocation.values()) {
    connect(node, lock);
    if (pacer.due()) await pacer.pause();
  }
  return { lock, root, nodes: [...byLocation.values()], byLocation, rootKnown: lock.rootKnown };
}

function draftOf(entry: LockEntry, index: number): Draft {
  const local = entry.linkTarget === null && !isInstalled(entry.location);
  return {
    index,
    entry,
    local,
    parent: null,
    target: null,
    workspace: false,
    children: null,
    edgesOut: [],
    edgesIn: [],
  };
}

/** Finds the nearest folder above that holds a package; it is a parent by name only where the path says node_modules. */
function adopt(node: Draft, byLocation: ReadonlyMap<string, Draft>): void {
  const { location, linkTarget, name } = node.entry;
  if (linkTarget !== null) node.target = byLocation.get(linkTarget) ?? null;
  for (let above = folderAbove(location); above !== null; above = folderAbove(above)) {
    const parent = byLocation.get(above);
    if (parent === undefined || parent.entry.linkTarget !== null) continue;
    node.parent = parent;
    if (location === `${above}${above === '' ? '' : '/'}node_modules/${name}`) {
      parent.children ??= new Map();
      parent.children.set(name, node);
    }
    return;
  }
}

/** The folder above, as far as the lock's own folder: what lies beside it does not look for packages in it. */
function folderAbove(location: string): string | null {
  if (location === '' || location === '..' || location.endsWith('/..')) return null;
  const cut = location.lastIndexOf('/');
  return cut < 0 ? '' : location.slice(0, cut);
}

function markWorkspaces(root: Draft, byLocation: ReadonlyMap<string, Draft>): void {
  const patterns = workspacePatterns(root.entry.raw['workspaces']);
  if (patterns.length === 0) return;
  for (const node of byLocation.values()) {
    if (node === root || !node.local) continue;
    node.workspace = matchesWorkspaces(patterns, node.entry.location);
    if (node.workspace)
      addEdge(root, {
        name: node.entry.packageName,
        range: `file:${node.entry.location}`,
        type: 'workspace',
      });
  }
}

function workspacePatterns(said: Json | undefined): readonly string[] {
  const list = Array.isArray(said) ? said : (said as JsonObject | undefined)?.['packages'];
  return Array.isArray(list) ? list.filter((one): one is string => typeof one === 'string') : [];
}

function connect(node: Draft, lock: Lock): void {
  if (node.target !== null) {
    addEdgeTo(node, node.target, { name: node.entry.name, range: node.entry.resolved ?? '', type: 'link' });
    return;
  }
  for (const wish of wishesOf(node, lock).values()) addEdge(node, wish);
}

type Wish = Pick<Edge, 'name' | 'range' | 'type'>;

/** What a package asks for. A name in several maps counts once, the later map deciding, as npm reads them. */
function wishesOf(node: Draft, lock: Lock): ReadonlyMap<string, Wish> {
  const wishes = new Map<string, Wish>();
  const { raw, pointer } = node.entry;
  const taken = new Set(node.edgesOut.map((edge) => edge.name));
  const take = (key: string, typeOf: (name: string) => EdgeType): void => {
    for (const [name, range] of rangesAt(raw, key, pointer)) {
      // A workspace of that name is what the root means, whatever range it also states.
      if (!taken.has(name)) wishes.set(name, { name, range, type: typeOf(name) });
    }
  };
  if (lock.legacy) {
    if (typeof raw['requires'] === 'object') take('requires', (name) => legacyType(node, name));
    return wishes;
  }
  const optionalPeers = raw['peerDependenciesMeta'];
  take('peerDependencies', (name) => (isOptionalPeer(optionalPeers, name) ? 'peerOptional' : 'peer'));
  take('dependencies', () => 'prod');
  take('optionalDependencies', () => 'optional');
  // Development dependencies of an installed package are never installed.
  if (node.local) take('devDependencies', () => 'dev');
  return wishes;
}

function isOptionalPeer(meta: Json | undefined, name: string): boolean {
  if (typeof meta !== 'object' || meta === null || !Object.hasOwn(meta, name)) return false;
  return (meta as JsonObject & Record<string, JsonObject | null>)[name]?.['optional'] === true;
}

/** Version 1 merges all kinds into `requires`; the flags of what answers tell them apart, as npm reads it. */
function legacyType(node: Draft, name: string): EdgeType {
  const found = find(node, name)?.entry;
  if (found?.optional === true && !node.entry.optional) return 'optional';
  return found?.dev === true && !node.entry.dev ? 'dev' : 'prod';
}

function find(from: Draft, name: string): Draft | null {
  for (let here: Draft | null = from; here !== null; here = here.parent) {
    const found = here.children?.get(name);
    if (found !== undefined) return found;
  }
  return null;
}

function addEdge(from: Draft, wish: Wish): void {
  addEdgeTo(from, find(from, wish.name), wish);
}

function addEdgeTo(from: Draft, to: Draft | null, wish: Wish): void {
  const edge: Edge = { from, to, ...wish };
  from.edgesOut.push(edge);
  to?.edgesIn.push(edge);
}
