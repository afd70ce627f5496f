import type { Amendment } from './amend';
import type { LockSide } from './diff';
import type { Edge, GraphNode } from './graph';
import { includesVersion, parseRange } from './version-range';

/** A package whose return would bring back more than these is no small step back. */
const MAX_RESTORED = 200;
const MAX_LOCATION_CHARS = 1_000;

type Take = Extract<Amendment, { op: 'take' }>;

/**
 * What has to be taken from the base so that this package of it stands at a location of the head, with all that it
 * requires within reach; null where that is too much or cannot be.
 */
export function restoring(head: LockSide, node: GraphNode, location: string): readonly Take[] | null {
  const taken = new Map<string, GraphNode>([[location, node]]);
  for (const [at, from] of taken) {
    for (const edge of from.edgesOut) {
      const { name, to } = edge;
      // What the base did without, the head does without as well.
      if (to === null) continue;
      if (to.local || to.target !== null) return null;
      if (answers(standing(head, taken, { from: at, name }), edge)) continue;
      const spot = spotFor(head, taken, { at, to, name });
      if (spot.length > MAX_LOCATION_CHARS || taken.size >= MAX_RESTORED) return null;
      taken.set(spot, to);
    }
  }
  return [...taken].map(([at, { entry }]) => ({ op: 'take', location: at, from: entry.location }));
}

/** Whether both are the same package, of the same bytes as far as the locks say. */
export function isSame(one: GraphNode | undefined, other: GraphNode): boolean {
  if (one === undefined) return false;
  const [a, b] = [one.entry, other.entry];
  return (
    a.packageName === b.packageName &&
    a.version === b.version &&
    a.integrity === b.integrity &&
    a.resolved === b.resolved &&
    a.linkTarget === b.linkTarget
  );
}

/** What fulfils the wish need not be what the base had: npm would leave it where it is. */
function answers(found: GraphNode | undefined, { to, range }: Edge): boolean {
  if (found === undefined || to === null) return false;
  if (isSame(found, to)) return true;
  const { packageName, version } = found.entry;
  const asked = parseRange(range);
  if (packageName !== to.entry.packageName || asked === null || version === null) return false;
  return includesVersion(asked, version) === true;
}

type Taken = ReadonlyMap<string, GraphNode>;

/** What a package would find by this name, by the walk that Node.js makes. */
function standing(
  head: LockSide,
  taken: Taken,
  { from, name }: { readonly from: string; readonly name: string },
): GraphNode | undefined {
  for (let here: string | null = from; here !== null; here = above(here)) {
    const location = `${here}${here === '' ? '' : '/'}node_modules/${name}`;
    const found = taken.get(location) ?? head.graph.byLocation.get(location);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Where it stood in the base, if that is free and nothing hides it; else inside the package that requires it. */
function spotFor(
  head: LockSide,
  taken: Taken,
  { at, to, name }: { readonly at: string; readonly to: GraphNode; readonly name: string },
): string {
  const { location } = to.entry;
  const nested = `${at}/node_modules/${name}`;
  if (taken.has(location) || head.graph.byLocation.has(location)) return nested;
  const hidden = standing(head, taken, { from: at, name }) !== undefined;
  const folder = location.slice(0, -`node_modules/${name}`.length);
  return hidden || !`${at}/`.startsWith(folder) || !location.endsWith(`node_modules/${name}`)
    ? nested
    : location;
}

function above(location: string): string | null {
  if (location === '' || location === '..' || location.endsWith('/..')) return null;
  const cut = location.lastIndexOf('/');
  return cut < 0 ? '' : location.slice(0, cut);
}
