import type { Graph, GraphNode } from './graph';
import { Pacer } from './pacer';

/** How each package of a graph came in. */
export interface DependencyPaths {
  /**
   * Locations from the root or a workspace down to the package, both included; by production edges where there is
   * such a way, else by any. Empty where nothing leads to it; a longer one than MAX_PATH begins with '…'.
   */
  pathTo(node: GraphNode): readonly string[];
  /** True where a chain without a development edge leads to it. */
  inProduction(node: GraphNode): boolean;
  /** True where any chain leads to it. */
  isReached(node: GraphNode): boolean;
  /** Steps from the start of its path; 0 at the start itself and where nothing leads to it. */
  depthOf(node: GraphNode): number;
}

/** Longer than any path of a real project; a made-up chain must not be copied into every finding. */
const MAX_PATH = 64;

const UNREACHED = -2;
const START = -1;

/** Finds the shortest path to every package by two breadth-first walks. */
export async function findPaths(graph: Graph): Promise<DependencyPaths> {
  const starts = startsOf(graph);
  const production = await walk(graph, starts, false);
  const any = await walk(graph, starts, true);
  const reached = (tree: Tree, node: GraphNode): boolean => tree.before[node.index] !== UNREACHED;
  const treeOf = (node: GraphNode): Tree => (reached(production, node) ? production : any);
  return {
    pathTo: (node) => pathIn(graph, treeOf(node), node),
    inProduction: (node) => reached(production, node),
    isReached: (node) => reached(any, node),
    depthOf: (node) => treeOf(node).depth[node.index] ?? 0,
  };
}

/** A breadth-first tree, by node index. */
interface Tree {
  readonly before: Int32Array;
  readonly depth: Int32Array;
}

/** Version 1 does not say what the root asks for, so paths begin at what nothing else requires. */
function startsOf(graph: Graph): readonly GraphNode[] {
  if (graph.rootKnown) return graph.nodes.filter((node) => node === graph.root || node.workspace);
  return graph.nodes.filter((node) => node === graph.root || node.edgesIn.length === 0);
}

async function walk(graph: Graph, starts: readonly GraphNode[], withDevelopment: boolean): Promise<Tree> {
  const pacer = new Pacer();
  const before = new Int32Array(graph.nodes.length).fill(UNREACHED);
  const depth = new Int32Array(graph.nodes.length);
  const queue: GraphNode[] = [...starts];
  for (const start of starts) before[start.index] = START;
  for (let at = 0; at < queue.length; at++) {
    const here = queue[at];
    for (const edge of here?.edgesOut ?? []) {
      if (edge.to === null || here === undefined) continue;
      if (edge.type === 'dev' && !withDevelopment) continue;
      if (before[edge.to.index] !== UNREACHED) continue;
      before[edge.to.index] = here.index;
      depth[edge.to.index] = (depth[here.index] ?? 0) + 1;
      queue.push(edge.to);
    }
    if (pacer.due()) await pacer.pause();
  }
  return { before, depth };
}

function pathIn(graph: Graph, { before }: Tree, node: GraphNode): readonly string[] {
  const path: string[] = [];
  let index = before[node.index] === UNREACHED ? START : node.index;
  while (index >= 0 && path.length < MAX_PATH) {
    path.push(graph.nodes[index]?.entry.location ?? '');
    index = before[index] ?? START;
  }
  if (index >= 0) path[path.length - 1] = '…';
  return path.reverse();
}
