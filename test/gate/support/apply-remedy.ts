import type { Remedy } from '../../../src/agents/dependency-gate/remedy-schema';

type Entry = Record<string, unknown>;
type Packages = Record<string, Entry>;
const SECTIONS = ['dependencies', 'devDependencies', 'optionalDependencies', 'peerDependencies'];

/** What a remedy makes of a lock, written for the tests alone: the product's own way of doing so is what is tested. */
export function applyRemedy(head: object, base: object | null, remedy: Pick<Remedy, 'amendments'>): object {
  const copy = structuredClone(head) as { packages: Packages };
  const from = ((base ?? { packages: {} }) as { packages: Packages }).packages;
  const before = reachedIn(copy.packages);
  const taken: string[] = [];
  for (const amendment of remedy.amendments) {
    if (amendment.op === 'take') {
      const entry = structuredClone(from[amendment.from] ?? {});
      for (const flag of ['dev', 'optional', 'devOptional', 'peer']) delete entry[flag];
      copy.packages[amendment.location] = entry;
      taken.push(amendment.location);
      continue;
    }
    const asking = copy.packages[amendment.in] as Record<string, Record<string, string> | undefined>;
    for (const section of SECTIONS) delete asking[section]?.[amendment.name];
    if (amendment.as !== null && amendment.range !== null)
      asking[amendment.as] = { ...asking[amendment.as], [amendment.name]: amendment.range };
  }
  const after = reachedIn(copy.packages);
  for (const location of [...before.all, ...taken])
    if (!after.all.has(location) && location.includes('node_modules/')) delete copy.packages[location];
  for (const location of [...taken, ...before.production])
    if (location.includes('node_modules/') && after.all.has(location) && !after.production.has(location))
      copy.packages[location] = { ...copy.packages[location], dev: true };
  return copy;
}

/** Everything that the project reaches, and what of it without development dependencies. */
function reachedIn(packages: Packages): { readonly all: Set<string>; readonly production: Set<string> } {
  return { all: walk(packages, true), production: walk(packages, false) };
}

function walk(packages: Packages, withDevelopment: boolean): Set<string> {
  const reached = new Set(projectIn(packages));
  for (const at of reached) {
    const entry = packages[at] ?? {};
    if (entry['link'] === true) {
      reached.add(entry['resolved'] as string);
      continue;
    }
    const isOwn = !at.includes('node_modules/');
    for (const section of SECTIONS) {
      if (section === 'devDependencies' && !(isOwn && withDevelopment)) continue;
      for (const name of Object.keys((entry[section] as object | undefined) ?? {})) {
        if (!withDevelopment && isOwn && isDevelopment(entry, name)) continue;
        const found = lookUp(packages, at, name);
        if (found !== null) reached.add(found);
      }
    }
  }
  return reached;
}

/** A name that a manifest asks for twice is a development dependency if that section names it. */
function isDevelopment(entry: Entry, name: string): boolean {
  return Object.hasOwn((entry['devDependencies'] as object | undefined) ?? {}, name);
}

function projectIn(packages: Packages): readonly string[] {
  const patterns = JSON.stringify(packages['']?.['workspaces'] ?? []);
  const own = Object.keys(packages).filter((at) => at !== '' && !at.includes('node_modules/'));
  return ['', ...own.filter((at) => patterns.length > 2 && at.startsWith('packages/'))];
}

function lookUp(packages: Packages, from: string, name: string): string | null {
  for (let here = from; ; here = here.includes('/') ? here.slice(0, here.lastIndexOf('/')) : '') {
    const location = `${here === '' ? '' : `${here}/`}node_modules/${name}`;
    if (Object.hasOwn(packages, location)) return location;
    if (here === '' || here === '..' || here.endsWith('/..')) return null;
  }
}
