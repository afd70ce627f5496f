import type { Json } from '../../protocol/json';
import {
  type ChangedField,
  type LockSide,
  type PackageChange,
  isDevelopmentOnly,
} from '../tools/lockfile/diff';
import { type EntryField, memberOf } from '../tools/lockfile/entry';
import type { GraphNode } from '../tools/lockfile/graph';
import { extendPointer } from '../tools/lockfile/pointer';
import type { LockChange } from './analysis';
import type { Evidence, FindingDraft } from './finding';

/** Larger values are cited by their place in the tree instead: evidence must stay quotable. */
const MAX_VALUE_CHARS = 4_200;
/** npm's own limit for names is 214 characters. */
const MAX_NAME_CHARS = 220;

/** Cites a member of a package's entry as it stands in the file, or that the entry has none. */
export function cite(file: 'head' | 'base', node: GraphNode, field: EntryField): Evidence {
  const pointer = extendPointer(node.entry.pointer, node.entry.members[field] ?? field);
  const value = memberOf(node.entry, field);
  if (value === undefined) return { file, pointer, absent: true };
  return isShort(value) ? { file, pointer, value } : cite(file, node, 'version');
}

/** Cites the format of a file, which is what makes a fact unknowable. */
export function citeVersion(file: 'head' | 'base', side: LockSide): Evidence {
  return { file, pointer: '/lockfileVersion', value: side.graph.lock.version };
}

/** What a finding about one changed package always says. */
export function aboutPackage(
  head: LockSide,
  change: PackageChange & { readonly after: GraphNode },
): Pick<FindingDraft, 'package' | 'version' | 'location' | 'change' | 'dev' | 'path'> {
  const { after } = change;
  return {
    package: after.entry.packageName,
    version: after.entry.version,
    location: after.entry.location,
    change: change.change === 'removed' ? 'changed' : change.change,
    dev: isDevelopmentOnly(head, after),
    path: [...head.paths.pathTo(after)],
  };
}

/** One finding about many packages at once, where the format or the input cannot tell of any. */
export function aboutMany(
  dev: boolean,
): Pick<FindingDraft, 'package' | 'version' | 'location' | 'change' | 'dev' | 'path'> {
  return { package: '*', version: null, location: '', change: 'various', dev, path: [] };
}

/** A change that leaves a third-party package in the head file. */
export type Arrival = PackageChange & { readonly after: GraphNode };

/**
 * Third-party packages the change brought in or altered. The project's own folders and the links to them are its
 * source code, reviewed as such.
 */
export function arrivalsOf({ changes }: LockChange): readonly Arrival[] {
  return changes.filter(
    (change): change is Arrival =>
      change.after !== null && !change.after.local && change.after.target === null,
  );
}

/** Name and version for a claim. */
export function label({ entry: { packageName, version } }: GraphNode): string {
  return version === null
    ? `${plain(packageName)} (version unknown)`
    : `${plain(packageName)}@${plain(version)}`;
}

/** A text of the file as part of a sentence: on one line and bounded, so that no name can pass for more than a name. */
export function plain(text: string): string {
  const line = text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ');
  return line.length <= MAX_NAME_CHARS ? line : `${line.slice(0, MAX_NAME_CHARS - 1)}…`;
}

function isShort(value: Json): boolean {
  return JSON.stringify(value).length <= MAX_VALUE_CHARS;
}

/** Whether one of these facts is new with this arrival: everything is, in a package that was not there before. */
export function bringsNew({ change, fields }: Arrival, facts: readonly ChangedField[]): boolean {
  return change === 'added' || fields.some((field) => field === 'promoted' || facts.includes(field));
}

/** Whether any of the packages is reached in production, which is what one finding about them all then concerns. */
export function allDevelopment(head: LockSide, arrivals: readonly Arrival[]): boolean {
  return arrivals.every(({ after }) => isDevelopmentOnly(head, after));
}

/** "1 package", "2 packages". */
export function countOf(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
