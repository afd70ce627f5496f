import { posix } from 'node:path';
import type { JsonObject } from '../../../protocol/json';
import { type LockEntry, nameOfLocation } from './entry';
import { Pacer } from './pacer';
import { pointerOf } from './pointer';
import { invalid, membersAt, objectAt, stringAt } from './read-fields';

const MAX_LOCATION_CHARS = 4_096;

/** Reads the `packages` section of versions 2 and 3. */
export async function readPackages(document: JsonObject): Promise<ReadonlyMap<string, LockEntry>> {
  const pacer = new Pacer();
  const packages = objectAt(document['packages'], '/packages');
  const entries = new Map<string, LockEntry>();
  for (const [location, value] of membersAt(packages, '/packages')) {
    const pointer = pointerOf('packages', location);
    checkLocation(location, pointer);
    entries.set(location, readEntry(location, objectAt(value, pointer), pointer));
    if (pacer.due()) await pacer.pause();
  }
  // The hidden lock in node_modules has no root entry; the tree still hangs on one.
  if (!entries.has('')) entries.set('', readEntry('', {}, '/packages'));
  checkLinks(entries);
  return entries;
}

function readEntry(location: string, raw: JsonObject, pointer: string): LockEntry {
  const name = nameOfLocation(location);
  membersAt(raw, pointer);
  const resolved = stringAt(raw, 'resolved', pointer);
  const isLink = raw['link'] === true;
  return {
    location,
    pointer,
    raw,
    name,
    packageName: stringAt(raw, 'name', pointer) ?? name,
    version: stringAt(raw, 'version', pointer),
    resolved,
    integrity: stringAt(raw, 'integrity', pointer),
    linkTarget: isLink ? normaliseTarget(resolved, pointer) : null,
    dev: raw['dev'] === true,
    optional: raw['optional'] === true,
    devOptional: raw['devOptional'] === true,
    peer: raw['peer'] === true,
    bundled: raw['inBundle'] === true,
    installScript: isLink ? null : Boolean(raw['hasInstallScript'] ?? false),
    deprecated: stringAt(raw, 'deprecated', pointer),
    members: {},
  };
}

function normaliseTarget(resolved: string | null, pointer: string): string {
  if (resolved === null) throw invalid(pointer, 'is a link without `resolved`: it points nowhere');
  const target = posix.normalize(resolved.replaceAll('\\', '/').replace(/^file:/, '')).replace(/\/$/, '');
  return target === '.' ? '' : target;
}

/** npm writes relative, normalised paths; another spelling of one would let two entries claim one place. */
function checkLocation(location: string, pointer: string): void {
  if (location === '') return;
  if (location.length > MAX_LOCATION_CHARS) {
    throw invalid(pointer, `is a location longer than ${MAX_LOCATION_CHARS} characters`);
  }
  if (nameOfLocation(location) === '__proto__') throw invalid(pointer, 'is not a name npm can install');
  if (location.startsWith('/') || posix.normalize(location) !== location || location.endsWith('/')) {
    throw invalid(pointer, 'is not a relative, normalised location');
  }
}

function checkLinks(entries: ReadonlyMap<string, LockEntry>): void {
  for (const entry of entries.values()) {
    if (entry.linkTarget === null) continue;
    const target = entries.get(entry.linkTarget);
    if (target === undefined) {
      throw invalid(
        entry.pointer,
        `links to ${JSON.stringify(entry.linkTarget)}, which the lock file does not hold`,
      );
    }
    if (target.linkTarget !== null) throw invalid(entry.pointer, 'links to another link');
  }
}
