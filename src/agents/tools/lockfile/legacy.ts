import { posix } from 'node:path';
import type { JsonObject } from '../../../protocol/json';
import { type LockEntry, nameOfLocation } from './entry';
import { Pacer } from './pacer';
import { extendPointer } from './pointer';
import { invalid, membersAt, objectAt, stringAt } from './read-fields';

const GIT = /^(?:git(?:\+[a-z]+)?:|github:|gitlab:|bitbucket:|gist:|https?:\/\/[^#]*\.git(?:#|$))/;
const TARBALL = /\.(?:tgz|tar\.gz|tar)$/i;
const ALIAS = /^npm:((?:@[^/@]+\/)?[^/@]+)@(.+)$/;

/** What the one `version` member of a version 1 entry turns out to say. */
type Said = Pick<LockEntry, 'packageName' | 'version' | 'resolved' | 'members'>;

interface Task {
  readonly owner: JsonObject;
  /** Location whose node_modules the owner's dependencies stand in. */
  readonly location: string;
  readonly pointer: string;
}

/** Reads the nested `dependencies` section, all that version 1 has, by a stack of its own. */
export async function readLegacy(document: JsonObject): Promise<ReadonlyMap<string, LockEntry>> {
  const pacer = new Pacer();
  const entries = new Map<string, LockEntry>([['', rootEntry(document)]]);
  const tasks: Task[] = [{ owner: document, location: '', pointer: '' }];
  for (let task = tasks.pop(); task !== undefined; task = tasks.pop()) {
    const at = extendPointer(task.pointer, 'dependencies');
    const dependencies = task.owner['dependencies'];
    if (dependencies === undefined) continue;
    for (const [name, value] of membersAt(objectAt(dependencies, at), at)) {
      const pointer = extendPointer(at, name);
      const raw = objectAt(value, pointer);
      const location = checkedLocation(
        `${task.location}${task.location === '' ? '' : '/'}node_modules/${name}`,
        pointer,
      );
      const entry = readEntry(location, raw, pointer);
      entries.set(location, entry);
      if (entry.linkTarget !== null && !entries.has(entry.linkTarget)) {
        entries.set(entry.linkTarget, linkedFolder(entry.linkTarget, raw, pointer));
      }
      // What is nested under a link stands in the folder the link points at.
      tasks.push({ owner: raw, location: entry.linkTarget ?? location, pointer });
      if (pacer.due()) await pacer.pause();
    }
  }
  return entries;
}

function rootEntry(document: JsonObject): LockEntry {
  const name = stringAt(document, 'name', '') ?? '';
  const flags = { dev: false, optional: false, bundled: false };
  const said: Said = {
    packageName: name,
    version: stringAt(document, 'version', ''),
    resolved: null,
    members: {},
  };
  return { ...blankEntry('', document, ''), ...said, ...flags, name };
}

function readEntry(location: string, raw: JsonObject, pointer: string): LockEntry {
  membersAt(raw, pointer);
  const name = nameOfLocation(location);
  const version = stringAt(raw, 'version', pointer);
  const blank = blankEntry(location, raw, pointer);
  if (version?.startsWith('file:') === true && !TARBALL.test(version)) {
    const target = posix.normalize(version.slice('file:'.length)).replace(/\/$/, '');
    return {
      ...blank,
      resolved: version,
      linkTarget: target === '.' ? '' : target,
      members: { resolved: 'version' },
    };
  }
  return { ...blank, ...readVersion(name, version, stringAt(raw, 'resolved', pointer)) };
}

function linkedFolder(location: string, raw: JsonObject, pointer: string): LockEntry {
  return { ...blankEntry(location, raw, pointer), integrity: null };
}

function blankEntry(location: string, raw: JsonObject, pointer: string): LockEntry {
  const name = nameOfLocation(location);
  return {
    location,
    pointer,
    raw,
    name,
    packageName: name,
    version: null,
    resolved: null,
    integrity: stringAt(raw, 'integrity', pointer),
    linkTarget: null,
    dev: raw['dev'] === true,
    optional: raw['optional'] === true,
    devOptional: false,
    peer: false,
    bundled: raw['bundled'] === true,
    installScript: null,
    deprecated: null,
    members: { inBundle: 'bundled' },
  };
}

function readVersion(name: string, version: string | null, resolved: string | null): Said {
  const plain = { packageName: name, version, resolved, members: { inBundle: 'bundled' } };
  if (version === null) return plain;
  const alias = ALIAS.exec(version);
  if (alias !== null) {
    return {
      ...plain,
      packageName: alias[1] ?? name,
      version: alias[2] ?? null,
      members: { ...plain.members, name: 'version' },
    };
  }
  const members = { ...plain.members, resolved: 'version' };
  if (GIT.test(version)) return { ...plain, version: null, resolved: version, members };
  if (version.startsWith('file:') || /^https?:/.test(version)) {
    return { ...plain, version: versionOfTarball(name, version), resolved: version, members };
  }
  return plain;
}

/** npm's own reading: a tarball called <name>-<version>.tgz is that version; any other name says none. */
function versionOfTarball(name: string, address: string): string | null {
  const file = /([^/]+)\.tgz$/.exec(address)?.[1];
  const prefix = `${name.split('/').at(-1) ?? name}-`;
  if (file?.startsWith(prefix) !== true) return null;
  const version = file.slice(prefix.length);
  return /^\d+\.\d+\.\d+(?:[-+][0-9A-Za-z.+-]+)?$/.test(version) ? version : null;
}

function checkedLocation(location: string, pointer: string): string {
  if (posix.normalize(location) !== location || location.endsWith('/')) {
    throw invalid(pointer, 'is not the name of a package');
  }
  return location;
}
