import type { Json, JsonObject } from '../../../protocol/json';

/** The formats npm has written; each is read as far as it goes. */
export const LOCK_VERSIONS = [1, 2, 3] as const;
export type LockVersion = (typeof LOCK_VERSIONS)[number];

/** The members of an entry that facts are read from. */
export const ENTRY_FIELDS = [
  'name',
  'version',
  'resolved',
  'integrity',
  'license',
  'engines',
  'hasInstallScript',
  'deprecated',
  'link',
  'inBundle',
  'dev',
] as const;
export type EntryField = (typeof ENTRY_FIELDS)[number];

/** One place a package stands at, whichever lock version says so. */
export interface LockEntry {
  /** Path from the lock file's folder; '' is the root. Unique within a lock. */
  readonly location: string;
  /** Pointer to the entry in the file. */
  readonly pointer: string;
  /** The entry as the file has it. */
  readonly raw: JsonObject;
  /** The name it is required by: the alias where there is one. */
  readonly name: string;
  /** The name it was published under. */
  readonly packageName: string;
  /** Null where the file does not say: links, git sources of version 1. */
  readonly version: string | null;
  readonly resolved: string | null;
  readonly integrity: string | null;
  /** Location of what a link points at; null for everything else. */
  readonly linkTarget: string | null;
  readonly dev: boolean;
  readonly optional: boolean;
  readonly devOptional: boolean;
  readonly peer: boolean;
  readonly bundled: boolean;
  /** Null where the format cannot tell. */
  readonly installScript: boolean | null;
  readonly deprecated: string | null;
  /** Names of members that stand elsewhere in this entry: version 1 keeps aliases and git sources in `version`. */
  readonly members: Partial<Record<EntryField, string>>;
}

/** A lock file, read and checked. */
export interface Lock {
  readonly version: LockVersion;
  /** True where the entries come from `dependencies`: no licence, engines or install script is recorded there. */
  readonly legacy: boolean;
  /** False where the file does not say what the root asks for: version 1, and the hidden lock in node_modules. */
  readonly rootKnown: boolean;
  readonly document: JsonObject;
  readonly entries: ReadonlyMap<string, LockEntry>;
}

/** Whether the location is a package in some node_modules, as against the root, a workspace or a linked folder. */
export function isInstalled(location: string): boolean {
  return location.startsWith('node_modules/') || location.includes('/node_modules/');
}

/** The name a location stands for: its last segment, with the scope. */
export function nameOfLocation(location: string): string {
  const segments = location.split('/');
  const last = segments.at(-1) ?? '';
  const scope = segments.at(-2);
  return scope?.startsWith('@') === true ? `${scope}/${last}` : last;
}

/** The entry's member as the file has it, whatever its type; undefined where the file has none. */
export function memberOf(entry: LockEntry, field: EntryField): Json | undefined {
  const member = entry.members[field] ?? field;
  return Object.hasOwn(entry.raw, member) ? entry.raw[member] : undefined;
}
