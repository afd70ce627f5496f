import { isDevelopmentOnly } from '../tools/lockfile/diff';
import { memberOf } from '../tools/lockfile/entry';
import type { GraphNode } from '../tools/lockfile/graph';
import { extendPointer, pointerOf } from '../tools/lockfile/pointer';
import { type Contradiction, type Documents, type Standing, standingAt } from '../tools/verify/evidence';
import { type Arrival, arrivalsOf, plain } from './cite';
import type { Analysis } from './analysis';
import type { Finding } from './finding';

/** A contradiction before it is looked up what stands at its place. */
type Objection = Omit<Contradiction, 'found'>;

/** Begins a path that was too long to be told whole. */
const CUT = '…';

/** Holds what findings say of the package they are about against the files. */
export class PackageFacts {
  private readonly arrivals: ReadonlyMap<string, Arrival>;

  constructor(
    private readonly analysis: Analysis,
    private readonly documents: Documents,
  ) {
    this.arrivals = new Map(arrivalsOf(analysis).map((one) => [one.after.entry.location, one]));
  }

  /** What is wrong with the finding's package, version, change, flag or path; null where all of it is so. */
  contradictionOf(finding: Finding): Contradiction | null {
    const node = this.analysis.head.graph.byLocation.get(finding.location);
    // What sums up many packages stands at no location, and a version 1 lock without dependencies has no entries.
    const wrong = finding.package === '*' ? null : this.objectionTo(finding, node);
    return wrong === null ? null : { ...wrong, found: standingAt(this.documents, wrong) };
  }

  /** Where the package a finding is about stands in the head, or would. */
  placeOf(location: string): Pick<Contradiction, 'file' | 'pointer'> {
    const node = this.analysis.head.graph.byLocation.get(location);
    return { file: 'head', pointer: node?.entry.pointer ?? this.absentPointer(location) };
  }

  private objectionTo(finding: Finding, node: GraphNode | undefined): Objection | null {
    if (node === undefined) {
      const reason = 'no package stands at its location';
      return { ...this.placeOf(finding.location), expected: { is: 'a package' }, reason };
    }
    if (finding.kind === 'missing') return this.brokenPath(finding, node);
    return (
      wrongName(finding, node) ??
      wrongVersion(finding, node) ??
      this.wrongChange(finding, node) ??
      this.wrongFlag(finding, node) ??
      this.brokenPath(finding, node)
    );
  }

  private wrongChange({ change, location }: Finding, { entry }: GraphNode): Objection | null {
    const arrival = this.arrivals.get(location);
    const before = arrival?.before ?? this.analysis.base?.graph.byLocation.get(location);
    const place = { file: 'base', pointer: before?.entry.pointer ?? entry.pointer };
    if (arrival === undefined) {
      const reason = 'the change did not bring in this package, nor alter it';
      return { ...place, expected: { is: 'another package, or none' }, reason };
    }
    if (arrival.change === change) return null;
    const expected: Standing = change === 'added' ? { absent: true } : { is: `a package that was ${change}` };
    return { ...place, expected, reason: `it says ${change}, but the package was ${arrival.change}` };
  }

  private wrongFlag({ dev }: Finding, node: GraphNode): Objection | null {
    const { head } = this.analysis;
    if (isDevelopmentOnly(head, node) === dev) return null;
    const pointer = extendPointer(node.entry.pointer, node.entry.members.dev ?? 'dev');
    if (dev) {
      const reason = 'it says development only, but the package is part of production';
      return { file: 'head', pointer, expected: { value: true }, reason };
    }
    const reason = 'it says production, but only development dependencies lead there';
    return { file: 'head', pointer, expected: { absent: true }, reason };
  }

  /** Every step of a path must be an edge of the graph, from the project down to the package. */
  private brokenPath({ path, location }: Finding, node: GraphNode): Objection | null {
    const { graph } = this.analysis.head;
    if (path.length === 0) return null;
    const whole = path[0] === CUT ? path.slice(1) : path;
    if (whole.at(-1) !== location) {
      const expected = { is: `the end of the path, ${quoted(whole.at(-1))}` };
      return { file: 'head', pointer: node.entry.pointer, expected, reason: 'its path does not end there' };
    }
    for (const [at, to] of whole.slice(1).entries()) {
      const from = graph.byLocation.get(whole[at] ?? '');
      if (from?.edgesOut.some((edge) => edge.to?.entry.location === to) === true) continue;
      const place = this.placeOf(whole[at] ?? '');
      const reason = `its path goes from ${quoted(whole[at])} to ${quoted(to)}, but the one does not require the other`;
      return { ...place, expected: { is: `a package that requires ${quoted(to)}` }, reason };
    }
    return null;
  }

  /** The pointer an absent package would have; version 1 nests what versions 2 and 3 keep side by side. */
  private absentPointer(location: string): string {
    if (!this.analysis.head.graph.lock.legacy) return pointerOf('packages', location);
    const names = location.split(/(?:^|\/)node_modules\//).filter((name) => name !== '');
    return pointerOf(...names.flatMap((name) => ['dependencies', name]));
  }
}

function wrongName(finding: Finding, { entry }: GraphNode): Objection | null {
  if (finding.package === entry.packageName) return null;
  const reason = `it speaks of ${quoted(finding.package)}, but ${quoted(entry.packageName)} stands there`;
  const named = memberOf(entry, 'name') !== undefined;
  const pointer = named ? extendPointer(entry.pointer, entry.members.name ?? 'name') : entry.pointer;
  const expected: Standing = named
    ? { value: finding.package }
    : { is: `the package ${quoted(finding.package)}` };
  return { file: 'head', pointer, expected, reason };
}

function wrongVersion({ version }: Finding, { entry }: GraphNode): Objection | null {
  if (version === entry.version) return null;
  const pointer = extendPointer(entry.pointer, entry.members.version ?? 'version');
  const expected: Standing = version === null ? { absent: true } : { value: version };
  const reason = `it speaks of version ${quoted(version)}, but ${quoted(entry.version)} stands there`;
  return { file: 'head', pointer, expected, reason };
}

function quoted(text: string | null | undefined): string {
  return text === null || text === undefined ? 'none' : JSON.stringify(plain(text));
}
