import { z } from 'zod';
import { LOCK_VERSIONS } from '../tools/lockfile/entry';
import {
  type ChangedField,
  CHANGED_FIELDS,
  type LockSide,
  type PackageChange,
  isDevelopmentOnly,
} from '../tools/lockfile/diff';
import { EDGE_TYPES, type Edge } from '../tools/lockfile/graph';
import { directOf } from '../tools/lockfile/totals';
import type { Analysis, LockChange } from './analysis';

/** Changes beyond this many are counted, not listed. */
const MAX_LISTED_CHANGES = 5_000;

const LockFile = z.strictObject({
  name: z.string(),
  lockfileVersion: z.literal(LOCK_VERSIONS),
  packages: z.int().nonnegative(),
});

/** One package that is not as it was. */
export const InventoryChange = z.strictObject({
  change: z.enum(['added', 'changed', 'moved', 'removed']),
  package: z.string(),
  location: z.string(),
  /** Where a moved package stood before. */
  from: z.string().nullable(),
  before: z.string().nullable(),
  after: z.string().nullable(),
  fields: z.array(z.enum(CHANGED_FIELDS)),
  dev: z.boolean(),
  optional: z.boolean(),
  /** Asked for by the root or a workspace itself; null where the file does not say. */
  direct: z.boolean().nullable(),
  /** A folder of the project itself, or the link to one. */
  local: z.boolean(),
  path: z.array(z.string()),
});
export type InventoryChange = z.infer<typeof InventoryChange>;

/** A wish of the root or of a workspace that is new, gone or different. */
export const DirectChange = z.strictObject({
  in: z.string(),
  name: z.string(),
  type: z.enum(EDGE_TYPES),
  before: z.string().nullable(),
  after: z.string().nullable(),
});
export type DirectChange = z.infer<typeof DirectChange>;

/** What was added, removed, changed and moved between two lock files, and by which path it came in. */
export const InventoryReport = z.strictObject({
  head: LockFile,
  base: LockFile.nullable(),
  counts: z.strictObject({
    added: z.int().nonnegative(),
    changed: z.int().nonnegative(),
    moved: z.int().nonnegative(),
    removed: z.int().nonnegative(),
  }),
  changes: z.array(InventoryChange).max(MAX_LISTED_CHANGES),
  /** Changes that are counted above but not listed. */
  omitted: z.int().nonnegative(),
  direct: z.array(DirectChange).max(MAX_LISTED_CHANGES),
});
export type InventoryReport = z.infer<typeof InventoryReport>;

/** Lists the changes: what is new first, since the list is bounded. */
export function inventoryOf(analysis: Analysis): InventoryReport {
  const { head, base, changes, input } = analysis;
  const direct = { head: directOf(head), base: base === null ? new Set<never>() : directOf(base) };
  const counts = { added: 0, changed: 0, moved: 0, removed: 0 };
  for (const { change } of changes) counts[change]++;
  const order = ['changed', 'added', 'removed', 'moved'];
  const listed = [...changes]
    .sort((a, b) => order.indexOf(a.change) - order.indexOf(b.change))
    .slice(0, MAX_LISTED_CHANGES);
  return {
    head: lockFileOf(input.headName, head),
    base: base === null ? null : lockFileOf(input.baseName ?? 'base', base),
    counts,
    changes: listed.map((change) => inventoryChange(analysis, direct, change)),
    omitted: changes.length - listed.length,
    direct: directChanges(analysis).slice(0, MAX_LISTED_CHANGES),
  };
}

function lockFileOf(name: string, { graph }: LockSide): InventoryReport['head'] {
  return { name, lockfileVersion: graph.lock.version, packages: graph.nodes.length - 1 };
}

function inventoryChange(
  { head, base }: LockChange,
  direct: { readonly head: ReadonlySet<unknown>; readonly base: ReadonlySet<unknown> },
  { change, before, after, fields }: PackageChange,
): InventoryChange {
  const side = after === null ? (base ?? head) : head;
  const node = after ?? before ?? head.graph.root;
  const asked = after === null ? direct.base : direct.head;
  return {
    change,
    package: node.entry.packageName,
    location: node.entry.location,
    from: change === 'moved' ? (before?.entry.location ?? null) : null,
    before: before?.entry.version ?? null,
    after: after?.entry.version ?? null,
    fields: [...fields] as ChangedField[],
    dev: isDevelopmentOnly(side, node),
    optional: node.entry.optional,
    direct: side.graph.rootKnown ? asked.has(node) : null,
    local: node.local || node.target !== null,
    path: [...side.paths.pathTo(node)],
  };
}

function directChanges({ head, base }: LockChange): DirectChange[] {
  const now = wishesOf(head);
  const was = base === null ? new Map<string, Edge>() : wishesOf(base);
  const changes: DirectChange[] = [];
  for (const key of new Set([...was.keys(), ...now.keys()])) {
    const [before, after] = [was.get(key), now.get(key)];
    const edge = after ?? before;
    if (edge === undefined || (before?.range === after?.range && before?.type === after?.type)) continue;
    changes.push({
      in: edge.from.entry.location,
      name: edge.name,
      type: edge.type,
      before: before?.range ?? null,
      after: after?.range ?? null,
    });
  }
  return changes;
}

/** What the root and the workspaces ask for, by who asks and what for. */
function wishesOf({ graph }: LockSide): ReadonlyMap<string, Edge> {
  const wishes = new Map<string, Edge>();
  for (const node of graph.nodes) {
    if (node !== graph.root && !node.workspace) continue;
    for (const edge of node.edgesOut) wishes.set(`${node.entry.location}\n${edge.name}`, edge);
  }
  return wishes;
}
