import type { Graph, GraphNode } from '../../../src/agents/tools/lockfile/graph';
import type { LockSide } from '../../../src/agents/tools/lockfile/diff';
import { memberOf } from '../../../src/agents/tools/lockfile/entry';
import type { NpmNode } from './npm-query';

/** The facts about one package that both npm and the gate state. */
export type Facts = Readonly<Record<string, unknown>>;

const sorted = (locations: readonly string[]): readonly string[] => locations.toSorted();

/** What npm says, by location. */
export function factsOfNpm(nodes: readonly NpmNode[]): ReadonlyMap<string, Facts> {
  return new Map(
    nodes.map((node) => [
      node.location,
      {
        name: node.name ?? null,
        version: node.version ?? null,
        integrity: node.integrity ?? null,
        license: node.license ?? null,
        engines: node.engines ?? null,
        installScript: node.hasInstallScript === true,
        deprecated: node.deprecated ?? null,
        optional: node.optional === true,
        peer: node.peer === true,
        dev: node.dev,
        bundled: node.inBundle,
        from: sorted(node.from),
        to: sorted(node.to),
      },
    ]),
  );
}

/** What the gate's tools say, by location. npm shows a link as what it points at, so links themselves are left out. */
export function factsOfGraph(graph: Graph): ReadonlyMap<string, Facts> {
  const nodes = graph.nodes.filter((node) => node.target === null);
  return new Map(nodes.map((node) => [node.entry.location, factsOfNode(node)]));
}

function factsOfNode(node: GraphNode): Facts {
  const { entry } = node;
  const edgesIn = node.edgesIn.filter((edge) => edge.type !== 'link');
  return {
    name: entry.packageName,
    version: entry.version,
    integrity: entry.integrity,
    license: memberOf(entry, 'license') ?? null,
    engines: memberOf(entry, 'engines') ?? null,
    installScript: entry.installScript === true,
    deprecated: entry.deprecated,
    optional: entry.optional,
    peer: entry.peer,
    dev: entry.dev,
    bundled: entry.bundled,
    from: sorted(edgesIn.map((edge) => edge.from.entry.location)),
    to: sorted(node.edgesOut.flatMap((edge) => (edge.to === null ? [] : [edge.to.entry.location]))),
  };
}

/** Locations npm selects by `:root > *`. */
export function directLocations({ graph }: LockSide): readonly string[] {
  const direct = graph.root.edgesOut.flatMap(({ to }) =>
    to === null ? [] : [(to.target ?? to).entry.location],
  );
  return sorted([...new Set(direct)]);
}

/** Locations npm selects by `.dev`: flagged so, or below anything that is, or that a development edge leads to. */
export function developmentLocations({ graph }: LockSide): readonly string[] {
  const queue = graph.nodes.filter(
    ({ entry, edgesIn }) => entry.dev || edgesIn.some(({ type }) => type === 'dev'),
  );
  const found = new Set(queue);
  for (let node = queue.pop(); node !== undefined; node = queue.pop()) {
    for (const { to, type } of node.edgesOut) {
      if (to === null || found.has(to) || type === 'link') continue;
      found.add(to);
      queue.push(to);
    }
  }
  return sorted([...new Set([...found].map((node) => (node.target ?? node).entry.location))]);
}
