import { collectPaced, forEachPaced } from '../tools/lockfile/pacer';
import type { GraphNode } from '../tools/lockfile/graph';
import { installedOf } from '../tools/lockfile/totals';
import type { LockChange } from './analysis';
import { type Arrival, aboutPackage, arrivalsOf, bringsNew, cite, countOf, plain } from './cite';
import type { FindingDraft } from './finding';

/** Copies cited in one finding; the claim counts them all. */
const MAX_CITED = 20;

interface Copies {
  readonly nodes: readonly GraphNode[];
  readonly versions: ReadonlySet<string>;
}

const NO_COPIES: Copies = { nodes: [], versions: new Set() };

/** Names that the change leaves in more versions, or in more copies, than there were. One finding per name. */
export async function duplicateFindings(change: LockChange): Promise<readonly FindingDraft[]> {
  const now = await copiesByName(installedOf(change.head));
  const was = await copiesByName(change.base === null ? [] : installedOf(change.base));
  const seen = new Set<string>();
  return await collectPaced(arrivalsOf(change), (arrival) => {
    const name = arrival.after.entry.packageName;
    if (seen.has(name) || !bringsNew(arrival, ['name', 'version'])) return null;
    seen.add(name);
    return duplicateFinding([now.get(name) ?? NO_COPIES, was.get(name) ?? NO_COPIES], change, arrival);
  });
}

function duplicateFinding(
  [now, was]: readonly [Copies, Copies],
  change: LockChange,
  arrival: Arrival,
): FindingDraft | null {
  const moreVersions = now.versions.size > 1 && now.versions.size > was.versions.size;
  const moreCopies = now.nodes.length > 1 && now.nodes.length > was.nodes.length;
  if (!moreVersions && !moreCopies) return null;
  const name = arrival.after.entry.packageName;
  const versions = countOf(now.versions.size, 'version');
  const before = moreVersions ? countOf(was.versions.size, 'version') : countOf(was.nodes.length, 'time');
  return {
    ...aboutPackage(change.head, arrival),
    kind: 'duplicate',
    check: moreVersions ? 'several-versions' : 'several-copies',
    severity: moreVersions ? 'low' : 'info',
    claim: `${plain(name)} is installed ${countOf(now.nodes.length, 'time')} in ${versions}, before ${moreVersions ? 'in ' : ''}${before}.`,
    evidence: now.nodes.slice(0, MAX_CITED).map((node) => cite('head', node, 'version')),
  };
}

async function copiesByName(nodes: readonly GraphNode[]): Promise<ReadonlyMap<string, Copies>> {
  const groups = new Map<string, { nodes: GraphNode[]; versions: Set<string> }>();
  await forEachPaced(nodes, (node) => {
    const { packageName, version, resolved } = node.entry;
    const group = groups.get(packageName) ?? { nodes: [], versions: new Set<string>() };
    group.nodes.push(node);
    group.versions.add(version ?? resolved ?? 'unknown');
    groups.set(packageName, group);
  });
  return groups;
}
