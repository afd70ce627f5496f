import { type LockSide, isDevelopmentOnly } from './diff';
import type { GraphNode } from './graph';
import { forEachPaced } from './pacer';

/** The size of a dependency tree, in counts. */
export interface LockTotals {
  /** Installed places: everything but the root, workspaces, linked folders and the links to them. */
  readonly packages: number;
  readonly production: number;
  readonly developmentOnly: number;
  readonly optional: number;
  readonly peer: number;
  readonly bundled: number;
  readonly workspaces: number;
  readonly links: number;
  /** Asked for by the root and the workspaces; null where the file does not say. */
  readonly direct: number | null;
  readonly names: number;
  /** Names that stand there in more than one version. */
  readonly namesInSeveralVersions: number;
  /** Null where the format cannot tell. */
  readonly withInstallScript: number | null;
  /** Length of the longest shortest path: how far from the project the furthest package is. */
  readonly depth: number;
}

/** Installed packages of a graph, in file order. */
export function installedOf(side: LockSide): readonly GraphNode[] {
  return side.graph.nodes.filter((node) => !node.local && node.target === null);
}

/** Counts a lock file. */
export async function totalsOf(side: LockSide): Promise<LockTotals> {
  const { graph } = side;
  const installed = installedOf(side);
  const count = (test: (node: GraphNode) => boolean): number => installed.filter(test).length;
  const developmentOnly = count((node) => isDevelopmentOnly(side, node));
  let depth = 0;
  await forEachPaced(installed, (node) => {
    depth = Math.max(depth, side.paths.depthOf(node));
  });
  const versions = [...versionsByName(installed).values()];
  return {
    packages: installed.length,
    production: installed.length - developmentOnly,
    developmentOnly,
    optional: count(({ entry }) => entry.optional),
    peer: count(({ entry }) => entry.peer),
    bundled: count(({ entry }) => entry.bundled),
    workspaces: graph.nodes.filter((node) => node.workspace).length,
    links: graph.nodes.filter((node) => node.target !== null).length,
    direct: graph.rootKnown ? directOf(side).size : null,
    names: versions.length,
    namesInSeveralVersions: versions.filter((set) => set.size > 1).length,
    withInstallScript: graph.lock.legacy ? null : count(({ entry }) => entry.installScript === true),
    depth,
  };
}

/** Versions of every installed package by its published name; an unstated version counts as one of its own. */
function versionsByName(installed: readonly GraphNode[]): ReadonlyMap<string, ReadonlySet<string>> {
  const versions = new Map<string, Set<string>>();
  for (const { entry } of installed) {
    const known = versions.get(entry.packageName) ?? new Set<string>();
    versions.set(entry.packageName, known.add(entry.version ?? entry.resolved ?? 'unknown'));
  }
  return versions;
}

/** What the root and the workspaces ask for themselves. */
export function directOf(side: LockSide): ReadonlySet<GraphNode> {
  const direct = new Set<GraphNode>();
  for (const node of side.graph.nodes) {
    if (node !== side.graph.root && !node.workspace) continue;
    for (const { to, type } of node.edgesOut) if (to !== null && type !== 'workspace') direct.add(to);
  }
  return direct;
}
