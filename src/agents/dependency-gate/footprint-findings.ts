import { collectPaced, forEachPaced } from '../tools/lockfile/pacer';
import type { JsonObject } from '../../protocol/json';
import type { Edge } from '../tools/lockfile/graph';
import { pointerOf, extendPointer } from '../tools/lockfile/pointer';
import { type LockSide, isDevelopmentOnly } from '../tools/lockfile/diff';
import type { LockChange } from './analysis';
import { aboutPackage, arrivalsOf, bringsNew, cite, label, plain } from './cite';
import type { FindingDraft } from './finding';

/** Installed size from which a single package is worth a line. */
const LARGE_PACKAGE_BYTES = 10 * 1024 * 1024;

/** Packages of the change whose publisher says not to use them. */
export async function deprecatedFindings(change: LockChange): Promise<readonly FindingDraft[]> {
  return await collectPaced(arrivalsOf(change), (arrival) =>
    arrival.after.entry.deprecated === null || !bringsNew(arrival, ['name', 'version', 'deprecated'])
      ? null
      : {
          ...aboutPackage(change.head, arrival),
          kind: 'deprecated',
          check: 'deprecated',
          severity: 'low',
          claim: `${label(arrival.after)} is deprecated by its publisher.`,
          evidence: [cite('head', arrival.after, 'deprecated')],
        },
  );
}

/** Packages of the change that nothing in the head leads to. */
export async function unrequiredFindings(change: LockChange): Promise<readonly FindingDraft[]> {
  // Where the file does not say what the root asks for, nothing can be called unrequired.
  if (!change.head.graph.rootKnown) return [];
  return await collectPaced(arrivalsOf(change), (arrival) =>
    arrival.change !== 'added' || change.head.paths.isReached(arrival.after)
      ? null
      : {
          ...aboutPackage(change.head, arrival),
          kind: 'unrequired',
          check: 'nothing-requires-it',
          severity: 'low',
          claim: `${label(arrival.after)} is in the lock, but nothing requires it.`,
          evidence: [cite('head', arrival.after, 'version')],
        },
  );
}

/** Dependencies that are asked for and, since this change, nowhere in the lock. */
export async function missingFindings({ head, base }: LockChange): Promise<readonly FindingDraft[]> {
  // Version 1 does not say which dependencies are optional, so their absence says nothing.
  if (head.graph.lock.legacy) return [];
  const old = new Set(base === null ? [] : (await missingOf(base)).map(keyOf));
  return (await missingOf(head))
    .filter((edge) => !old.has(keyOf(edge)))
    .map((edge) => missingFinding(head, edge));
}

/** Packages of the change that take much room where they are installed. */
export async function sizeFindings(
  change: LockChange,
  installed: JsonObject | null,
): Promise<readonly FindingDraft[]> {
  if (installed === null) return [];
  return await collectPaced(arrivalsOf(change), (arrival) => {
    const { location } = arrival.after.entry;
    const bytes = Object.hasOwn(installed, location) ? installed[location] : undefined;
    if (typeof bytes !== 'number' || bytes < LARGE_PACKAGE_BYTES) return null;
    const mebibytes = (bytes / 1024 / 1024).toFixed(1);
    return {
      ...aboutPackage(change.head, arrival),
      kind: 'size',
      check: 'large-package',
      severity: 'low',
      claim: `${label(arrival.after)} takes ${mebibytes} MiB where it is installed.`,
      evidence: [{ file: 'installed', pointer: pointerOf(location), value: bytes }],
    };
  });
}

async function missingOf(side: LockSide): Promise<readonly Edge[]> {
  const missing: Edge[] = [];
  await forEachPaced(side.graph.nodes, ({ edgesOut }) => {
    for (const edge of edgesOut) {
      if (edge.to === null && edge.type !== 'optional' && edge.type !== 'peerOptional') missing.push(edge);
    }
  });
  return missing;
}

function keyOf(edge: Edge): string {
  return `${edge.from.entry.location}\n${edge.name}`;
}

function missingFinding(head: LockSide, edge: Edge): FindingDraft {
  const { from, name, range, type } = edge;
  const section = { prod: 'dependencies', dev: 'devDependencies', peer: 'peerDependencies' }[
    type as 'prod' | 'dev' | 'peer'
  ];
  const pointer =
    section === undefined
      ? extendPointer(from.entry.pointer, 'workspaces')
      : extendPointer(extendPointer(from.entry.pointer, section), name);
  return {
    package: name,
    version: null,
    location: from.entry.location,
    change: 'changed',
    dev: type === 'dev' || isDevelopmentOnly(head, from),
    path: [...head.paths.pathTo(from)],
    kind: 'missing',
    check: type === 'peer' ? 'peer-missing' : 'dependency-missing',
    severity: 'low',
    claim: `${from.entry.location === '' ? 'The root' : label(from)} requires ${plain(name)} (${plain(range)}), which the lock does not hold.`,
    evidence: [
      section === undefined
        ? { file: 'head', pointer, value: from.entry.raw['workspaces'] ?? null }
        : { file: 'head', pointer, value: range },
    ],
  };
}
