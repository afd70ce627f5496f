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
export function candidatesFor(finding: Finding, change: LockChange): readonly Candidate[] {
  const node = change.head.graph.byLocation.get(finding.location);
  if (node === undefined || node === change.head.graph.root || !isAmendable(change.head.graph)) return [];
  const steps = [keepBase(node, change), ...undoDirect(node, change), ...pins(node, change)];
  const known = new Map<string, Candidate>();
  // Two of them may come to the same; the smaller says it better.
  for (const step of steps) if (step !== null && !known.has(step.id)) known.set(step.id, step);
  return [...known.values()];
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

/** The package itself as the base has it, at its place or in the same version elsewhere. */
function keepBase(node: GraphNode, { head, base, changes }: LockChange): Candidate | null {
  const before = changes.find(({ after }) => after === node)?.before ?? twinOf(node, base?.graph.nodes ?? []);
  if (base === null || before === null || before === undefined || !isReplaceable(before)) return null;
  if (node.entry.bundled || !isAmendable(base.graph)) return null;
  const takes = restoring(head, before, node.entry.location);
  if (takes === null) return null;
  const asks = node.edgesIn.filter(isDirect).flatMap((edge) => {
    const old = wishIn(base.graph.byLocation.get(edge.from.entry.location), edge.name);
    return old === undefined || asksAlike(old, edge) ? [] : [askingFor(edge, old)];
  });
  const how = asks.length === 0 ? 'as the base has it' : 'as the base has it and asks for it';
  const says = `Keep ${label(before)} ${how}, in place of ${label(node)}.`;
  return candidate('keep-base', says, { amendments: [...takes, ...asks] });
}

function twinOf({ entry }: GraphNode, nodes: readonly GraphNode[]): GraphNode | undefined {
  return nodes.find(
    (other) =>
      isReplaceable(other) &&
      other.entry.packageName === entry.packageName &&
      other.entry.version === entry.version,
  );
}

/** Without the wishes of the project that are new or different and lead to the package. */
function undoDirect(node: GraphNode, change: LockChange): readonly (Candidate | null)[] {
  const { head, base } = change;
  const leading = leadingTo(node);
  const changed = projectOf(change).flatMap((from) => {
    const wishes = base?.graph.byLocation.get(from.entry.location)?.edgesOut.filter(isDirect) ?? [];
    const before = new Map(wishes.map((wish) => [wish.name, wish]));
    return from.edgesOut.filter((edge) => {
      if (!isDirect(edge) || edge.to === null || !leading.has(edge.to)) return false;
      const old = before.get(edge.name);
      return old === undefined || !asksAlike(old, edge) || old.to === null || !isSame(edge.to, old.to);
    });
  });
  const [, first] = head.paths.pathTo(node);
  const nearest = changed.filter(({ to }) => to?.entry.location === first);
  return [nearest, changed].filter((edges) => edges.length > 0).map((edges) => undoing(edges, change));
}

function undoing(edges: readonly Edge[], { head, base }: LockChange): Candidate | null {
  const amendments: Amendment[] = [];
  const said: string[] = [];
  for (const edge of edges) {
    const old = wishIn(base?.graph.byLocation.get(edge.from.entry.location), edge.name);
    if (old === undefined || !asksAlike(old, edge)) amendments.push(askingFor(edge, old));
    said.push(undone(edge, old));
    const before = old?.to ?? null;
    if (before === null || edge.to === null || isSame(edge.to, before)) continue;
    const takes = isReplaceable(before) ? restoring(head, before, edge.to.entry.location) : null;
    if (takes === null) return null;
    amendments.push(...takes);
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

/** Every copy of the package in a version that the base has, held there by `overrides`. */
function pins(node: GraphNode, change: LockChange): readonly (Candidate | null)[] {
  const { head, base } = change;
  const { packageName, version } = node.entry;
  const copies = head.graph.nodes.filter((one) => one.entry.packageName === packageName);
  // npm refuses to override what the project itself asks for, and what is bundled comes with its bundle.
  const isFixed = copies.some(
    (one) => one.edgesIn.some(isDirect) || !isReplaceable(one) || one.entry.name !== packageName,
  );
  if (base === null || isFixed || copies.length > MAX_COPIES || !isAmendable(base.graph)) return [];
  const known = new Map<string, GraphNode>();
  for (const one of base.graph.nodes)
    if (one.entry.packageName === packageName && one.entry.version !== version && isReplaceable(one))
      known.set(one.entry.version ?? '', known.get(one.entry.version ?? '') ?? one);
  known.delete('');
  return [...known].slice(0, MAX_PINS).map(([pinned, before]) => {
    const takes = copies.map((one) => restoring(head, before, one.entry.location));
    if (takes.includes(null)) return null;
    const says = `Pin ${plain(packageName)} to ${plain(pinned)}, which the base has, by an override.`;
    const amendments = takes.flatMap((one) => one ?? []);
    return candidate('override', says, { amendments, overrides: { [packageName]: pinned } });
  });
}

function askingFor({ from, name }: Edge, old: Edge | undefined): Amendment {
  const as = old === undefined ? null : sectionOf(old.from, name);
  return { op: 'ask', in: from.entry.location, name, as, range: as === null ? null : (old?.range ?? null) };
}

function wishIn(node: GraphNode | undefined, name: string): Edge | undefined {
  return node?.edgesOut.find((edge) => edge.name === name && isDirect(edge));
}

function projectOf({ head: { graph } }: LockChange): readonly GraphNode[] {
  return graph.nodes.filter((node) => node === graph.root || node.workspace);
}

/** A wish that a manifest of the project states itself. */
function isDirect({ from, type }: Edge): boolean {
  return (from.entry.location === '' || from.workspace) && type !== 'workspace' && type !== 'link';
}

function isReplaceable({ local, target, entry }: GraphNode): boolean {
  return !local && target === null && !entry.bundled;
}

/** Everything from which some way leads to the package, itself included. */
function leadingTo(node: GraphNode): ReadonlySet<GraphNode> {
  const leading = new Set([node]);
  for (const one of leading) for (const { from } of one.edgesIn) leading.add(from);
  return leading;
}
