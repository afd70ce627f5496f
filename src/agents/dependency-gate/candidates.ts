import { createHash } from 'node:crypto';
import { type Amendment, isAmendable, placeOf, sectionOf } from '../tools/lockfile/amend';
import type { Edge, GraphNode } from '../tools/lockfile/graph';
import { isSame, restoring } from '../tools/lockfile/restore';
import type { LockChange } from './analysis';
import { label, plain } from './cite';
import type { Finding } from './finding';
import { MAX_AMENDMENTS, type Remedy } from './remedy-schema';

/** A remedy that nobody has proven yet. */
export type Candidate = Pick<Remedy, 'id' | 'action' | 'says' | 'overrides'> & {
  readonly amendments: readonly Amendment[];
};

/** Versions of the base that a package is pinned to, at most, and copies of it that are replaced for that. */
const MAX_PINS = 2;
const MAX_COPIES = 50;

/**
 * What might remove a finding, from facts of the two locks alone, the smallest step first: the package as the base has
 * it; without what the project itself newly asks for; pinned to a version that the base has.
 */
export class Candidates {
  private readonly before: ReadonlyMap<GraphNode | null, GraphNode | null>;
  private readonly copies: ByName;
  private readonly baseCopies: ByName;
  /** What the manifests of the project ask for differently than in the base, or get something else for. */
  private readonly changedWishes: readonly ChangedWish[];

  constructor(private readonly change: LockChange) {
    const { head, base, changes } = change;
    this.before = new Map(changes.map(({ before, after }) => [after, before]));
    this.copies = byName(head.graph.nodes);
    // A base of version 1 says too little of what its packages require.
    this.baseCopies = byName(base !== null && isAmendable(base.graph) ? base.graph.nodes : []);
    this.changedWishes = changedWishesOf(change);
  }

  for({ location }: Pick<Finding, 'location'>): readonly Candidate[] {
    const { graph } = this.change.head;
    const node = graph.byLocation.get(location);
    if (node === undefined || node === graph.root || !isAmendable(graph)) return [];
    const steps = [this.keepBase(node), ...this.undoDirect(node), ...this.pins(node)];
    const known = new Map<string, Candidate>();
    // Two of them may come to the same; the smaller says it better.
    for (const step of steps) if (step !== null && !known.has(step.id)) known.set(step.id, step);
    return [...known.values()];
  }

  /** The package itself as the base has it, at its place or in the same version elsewhere. */
  private keepBase(node: GraphNode): Candidate | null {
    const { packageName, version, location, bundled } = node.entry;
    const known = this.baseCopies.get(packageName) ?? [];
    const own = this.before.get(node) ?? null;
    const before = own ?? known.find((one) => one.entry.version === version && isReplaceable(one));
    // A package that took the name of another has its predecessor under that one.
    if (before === undefined || !isReplaceable(before) || bundled || this.baseCopies.size === 0) return null;
    const takes = restoring(this.change.head, before, location);
    if (takes === null) return null;
    const asks = this.changedWishes.flatMap(({ edge, old }) =>
      edge.to === node && old !== undefined && !asksAlike(old, edge) ? [askingFor(edge, old)] : [],
    );
    const how = asks.length === 0 ? 'as the base has it' : 'as the base has it and asks for it';
    const says = `Keep ${label(before)} ${how}, in place of ${label(node)}.`;
    return candidate('keep-base', says, { amendments: [...takes, ...asks] });
  }

  /** Without the wishes of the project that are new or different and lead to the package. */
  private undoDirect(node: GraphNode): readonly (Candidate | null)[] {
    const { head } = this.change;
    if (this.changedWishes.length === 0) return [];
    const leads = leadingTo(node, head.graph.nodes.length);
    const changed = this.changedWishes.filter(({ edge: { to } }) => to !== null && leads(to));
    const [, first] = head.paths.pathTo(node);
    const nearest = changed.filter(({ edge }) => edge.to?.entry.location === first);
    return [nearest, changed].filter((wishes) => wishes.length > 0).map((wishes) => undoing(wishes, head));
  }

  /** Every copy of the package in a version that the base has, held there by `overrides`. */
  private pins(node: GraphNode): readonly (Candidate | null)[] {
    const { packageName, version } = node.entry;
    const copies = this.copies.get(packageName) ?? [];
    // npm refuses to override what the project itself asks for, and what is bundled comes with its bundle.
    const isFixed = copies.some(
      (one) => one.edgesIn.some(isDirect) || !isReplaceable(one) || one.entry.name !== packageName,
    );
    if (isFixed || copies.length > MAX_COPIES) return [];
    const known = new Map<string, GraphNode>();
    for (const one of this.baseCopies.get(packageName) ?? []) {
      const pinned = one.entry.version;
      if (pinned !== null && pinned !== version && isReplaceable(one) && !known.has(pinned))
        known.set(pinned, one);
    }
    return [...known].slice(0, MAX_PINS).map(([pinned, before]) => {
      const takes = copies.map((one) => restoring(this.change.head, before, one.entry.location));
      if (takes.includes(null)) return null;
      const says = `Pin ${plain(packageName)} to ${plain(pinned)}, which the base has, by an override.`;
      const amendments = takes.flatMap((one) => one ?? []);
      return candidate('override', says, { amendments, overrides: { [packageName]: pinned } });
    });
  }
}

type ByName = ReadonlyMap<string, readonly GraphNode[]>;

/** A wish of the project, and what the base had in its place. */
interface ChangedWish {
  readonly edge: Edge;
  readonly old: Edge | undefined;
}

function byName(nodes: readonly GraphNode[]): ByName {
  const groups = new Map<string, GraphNode[]>();
  for (const node of nodes) {
    const group = groups.get(node.entry.packageName);
    if (group === undefined) groups.set(node.entry.packageName, [node]);
    else group.push(node);
  }
  return groups;
}

function changedWishesOf({ head: { graph }, base }: LockChange): readonly ChangedWish[] {
  const manifests = graph.nodes.filter((node) => node === graph.root || node.workspace);
  return manifests.flatMap((from) => {
    const wishes = base?.graph.byLocation.get(from.entry.location)?.edgesOut.filter(isDirect) ?? [];
    const before = new Map(wishes.map((wish) => [wish.name, wish]));
    return from.edgesOut.filter(isDirect).flatMap((edge) => {
      const old = before.get(edge.name);
      if (edge.to === null) return [];
      const isAsItWas =
        old !== undefined && asksAlike(old, edge) && old.to !== null && isSame(edge.to, old.to);
      return isAsItWas ? [] : [{ edge, old }];
    });
  });
}

function candidate(
  action: Candidate['action'],
  says: string,
  parts: { readonly amendments: readonly Amendment[]; readonly overrides?: Record<string, string> },
): Candidate | null {
  const { overrides = {} } = parts;
  // What is decided twice is decided by the later, as it would be where they are made one after another.
  const amendments = [...new Map(parts.amendments.map((one) => [placeOf(one), one])).values()];
  if (amendments.length === 0 || amendments.length > MAX_AMENDMENTS) return null;
  const hash = createHash('sha256')
    .update(JSON.stringify([amendments, overrides]))
    .digest('hex');
  return { id: `remedy-${hash.slice(0, 12)}`, action, says, amendments, overrides };
}

function undoing(wishes: readonly ChangedWish[], head: LockChange['head']): Candidate | null {
  const amendments: Amendment[] = [];
  const said: string[] = [];
  for (const { edge, old } of wishes) {
    if (old === undefined || !asksAlike(old, edge)) amendments.push(askingFor(edge, old));
    said.push(undone(edge, old));
    const before = old?.to ?? null;
    if (before === null || edge.to === null || isSame(edge.to, before)) continue;
    const takes = isReplaceable(before) ? restoring(head, before, edge.to.entry.location) : null;
    if (takes === null) return null;
    amendments.push(...takes);
    if (amendments.length > MAX_AMENDMENTS) return null;
  }
  const more = said.length > 3 ? `, and ${said.length - 3} more` : '';
  return candidate('undo-direct', `${said.slice(0, 3).join(', ')}${more}.`, { amendments });
}

function undone(edge: Edge, old: Edge | undefined): string {
  const { from, name, range, type } = edge;
  const who = from.entry.location === '' ? 'the project' : plain(from.entry.location);
  const asked = `${plain(name)} ${JSON.stringify(plain(range))}`;
  if (old === undefined) return `Let ${who} not ask for ${asked}`;
  if (asksAlike(old, edge)) return `Keep ${plain(name)} as the base has it, which ${who} asks for`;
  const section = old.type === type ? '' : ` under ${sectionOf(old.from, name)}`;
  const before = `${plain(name)} ${JSON.stringify(plain(old.range))}${section}`;
  return `Let ${who} ask for ${before} as in the base, in place of ${asked}`;
}

function asksAlike(one: Edge, other: Edge): boolean {
  return one.range === other.range && one.type === other.type;
}

function askingFor({ from, name }: Edge, old: Edge | undefined): Amendment {
  const as = old === undefined ? null : sectionOf(old.from, name);
  return { op: 'ask', in: from.entry.location, name, as, range: as === null ? null : (old?.range ?? null) };
}

/** A wish that a manifest of the project states itself. */
function isDirect({ from, type }: Edge): boolean {
  return (from.entry.location === '' || from.workspace) && type !== 'workspace' && type !== 'link';
}

function isReplaceable({ local, target, entry }: GraphNode): boolean {
  return !local && target === null && !entry.bundled;
}

/** Tells of any package whether some way leads from it to this one. */
function leadingTo(node: GraphNode, count: number): (other: GraphNode) => boolean {
  // By index: the largest graphs have a hundred thousand edges, and this is asked for every finding.
  const leads = new Uint8Array(count);
  leads[node.index] = 1;
  const queue = [node];
  for (let here = queue.pop(); here !== undefined; here = queue.pop())
    for (const { from } of here.edgesIn) {
      if (leads[from.index] === 1) continue;
      leads[from.index] = 1;
      queue.push(from);
    }
  return ({ index }) => leads[index] === 1;
}
