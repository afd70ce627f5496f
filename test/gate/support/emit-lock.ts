import { type LockModel, type ModelEntry } from './lock-model';

/** Every member an entry of version 2 and 3 may not have in version 1. */
interface LegacyEntry {
  version?: string;
  resolved?: string;
  integrity?: string;
  dev?: true;
  optional?: true;
  bundled?: true;
  requires?: Record<string, string>;
  dependencies?: Record<string, LegacyEntry>;
}

/** The lock file as a document. */
export function emitLock(model: LockModel): object {
  const { name, version } = model.at('');
  const { version: lockfileVersion } = model.dialect;
  const start = { name, version, lockfileVersion, requires: true };
  if (lockfileVersion === 1) return { ...start, dependencies: legacyTree(model, '') };
  const sorted = [...model.entries].toSorted(([a], [b]) => (a < b ? -1 : 1));
  const packages = Object.fromEntries(sorted);
  if (lockfileVersion === 3) return { ...start, packages };
  // What npm 6 would read; a decoy, since whoever reads `packages` must not read this as well.
  return { ...start, packages, dependencies: { 'decoy-for-old-readers': { version: '6.6.6' } } };
}

function legacyTree(model: LockModel, folder: string): Record<string, LegacyEntry> {
  const prefix = `${folder}${folder === '' ? '' : '/'}node_modules/`;
  const direct = [...model.entries]
    .filter(
      ([location]) =>
        location.startsWith(prefix) && !location.slice(prefix.length).includes('/node_modules/'),
    )
    .toSorted(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(
    direct.map(([location, entry]) => [location.slice(prefix.length), legacyEntry(model, location, entry)]),
  );
}

function legacyEntry(model: LockModel, location: string, entry: ModelEntry): LegacyEntry {
  // Version 1 keeps what a linked folder requires, and what is nested in it, under the link.
  const home = entry.link === true ? (entry.resolved ?? '') : location;
  const facts = entry.link === true ? model.at(home) : entry;
  const requires = { ...facts.dependencies, ...facts.optionalDependencies };
  const nested = legacyTree(model, home);
  return {
    ...sourceOf(location, entry),
    ...(facts.dev === true ? { dev: true as const } : {}),
    ...(facts.optional === true ? { optional: true as const } : {}),
    ...(entry.inBundle === true ? { bundled: true as const } : {}),
    ...(Object.keys(requires).length > 0 ? { requires } : {}),
    ...(Object.keys(nested).length > 0 ? { dependencies: nested } : {}),
  };
}

function sourceOf(location: string, entry: ModelEntry): LegacyEntry {
  const { version = '', resolved, integrity, name } = entry;
  const held = integrity === undefined ? {} : { integrity };
  if (entry.link === true) return { version: `file:${resolved}` };
  if (resolved !== undefined && resolved.startsWith('git')) return { version: resolved };
  if (resolved !== undefined && (resolved.startsWith('file:') || !resolved.includes('/-/'))) {
    return { version: resolved, ...held };
  }
  const folder = location.split('node_modules/').at(-1);
  const said = name === undefined || name === folder ? version : `npm:${name}@${version}`;
  return { version: said, ...(resolved === undefined ? {} : { resolved }), ...held };
}
