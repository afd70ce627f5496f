import type { LockSide } from './diff';
import type { Edge } from './graph';
import { Pacer } from './pacer';
import { isSame } from './restore';
import { includesVersion, parseRange } from './version-range';

/** Versions that overrides put in place of what is asked for, by package name. */
export type Overrides = Readonly<Record<string, string>>;

/** What npm has resolved to what in the two locks, which says more of a range than any reading of it. */
export class Wishes {
  private constructor(
    private readonly head: LockSide,
    private readonly resolved: ReadonlySet<string>,
  ) {}

  static async of(head: LockSide, base: LockSide | null): Promise<Wishes> {
    const pacer = new Pacer();
    const resolved = new Set<string>();
    for (const side of base === null ? [head] : [head, base])
      for (const node of side.graph.nodes) {
        for (const edge of node.edgesOut) resolved.add(keyOf(edge));
        if (pacer.due()) await pacer.pause();
      }
    return new Wishes(head, resolved);
  }

  /** The first wish that an amended head no longer fulfils, in words; null where all that were fulfilled still are. */
  async brokenIn(amended: LockSide, overrides: Overrides): Promise<string | null> {
    const pacer = new Pacer();
    for (const node of amended.graph.nodes) {
      const before = this.head.graph.byLocation.get(node.entry.location);
      const same = before?.entry.raw === node.entry.raw ? before : undefined;
      for (const [at, edge] of node.edgesOut.entries())
        if (!isKept(edge, same?.edgesOut[at]) && !this.isFulfilled(edge, overrides)) return said(edge);
      if (pacer.due()) await pacer.pause();
    }
    return null;
  }

  private isFulfilled(edge: Edge, overrides: Overrides): boolean {
    if (edge.type === 'workspace' || edge.type === 'link') return true;
    if (this.resolved.has(keyOf(edge))) return true;
    if (edge.to === null) return edge.type === 'optional' || edge.type === 'peerOptional';
    const { packageName, version } = edge.to.entry;
    if (!edge.from.local && Object.hasOwn(overrides, packageName)) return overrides[packageName] === version;
    const range = parseRange(edge.range);
    return range !== null && version !== null && includesVersion(range, version) === true;
  }
}

/** Whether the same manifest's same wish gets what it got before. */
function isKept(edge: Edge, old: Edge | undefined): boolean {
  if (old === undefined || old.name !== edge.name || old.type !== edge.type) return false;
  return edge.to === null ? old.to === null : isSame(old.to ?? undefined, edge.to);
}

/** Who asks counts only where nothing answers: what is missing to one package may not be missing to another. */
function keyOf({ from, name, range, to }: Edge): string {
  if (to === null) return JSON.stringify([name, range, from.entry.packageName, from.entry.version]);
  return JSON.stringify([name, range, to.entry.packageName, to.entry.version, to.entry.linkTarget]);
}

function said({ from, name, range, to }: Edge): string {
  const who = from.entry.location === '' ? 'the project' : `${from.entry.packageName}@${from.entry.version}`;
  const asks = `${who} asks for ${name} ${JSON.stringify(range)}`;
  return to === null ? `${asks}, and nothing would answer` : `${asks}, and would get ${to.entry.version}`;
}
