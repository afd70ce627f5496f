import { type LockModel, type ModelEntry, isInstalled } from './lock-model';

interface ModelEdge {
  readonly to: string;
  readonly dev: boolean;
  readonly optional: boolean;
  readonly peer: boolean;
}

/** Sets dev, optional, devOptional and peer as npm derives them from who requires whom. */
export function setFlags(model: LockModel): void {
  const edges = new Map([...model.entries.keys()].map((location) => [location, edgesOf(model, location)]));
  const required = reach(edges, (edge) => !edge.dev && !edge.optional);
  const production = reach(edges, (edge) => !edge.dev);
  const mandatory = reach(edges, (edge) => !edge.optional);
  const unpeered = reach(edges, (edge) => !edge.peer);
  for (const [location, entry] of model.entries) {
    if (location === '' || entry.link === true) continue;
    const dev = !production.has(location);
    const optional = !mandatory.has(location);
    set(entry, 'dev', dev);
    set(entry, 'optional', optional);
    set(entry, 'devOptional', !dev && !optional && !required.has(location));
    set(entry, 'peer', !unpeered.has(location));
  }
}

function set(entry: ModelEntry, flag: 'dev' | 'optional' | 'devOptional' | 'peer', value: boolean): void {
  if (value) entry[flag] = true;
  else delete entry[flag];
}

function reach(
  edges: ReadonlyMap<string, readonly ModelEdge[]>,
  follows: (edge: ModelEdge) => boolean,
): Set<string> {
  const reached = new Set(['']);
  for (const location of reached) {
    for (const edge of edges.get(location) ?? []) if (follows(edge)) reached.add(edge.to);
  }
  return reached;
}

function edgesOf(model: LockModel, location: string): readonly ModelEdge[] {
  const entry = model.at(location);
  if (entry.link === true) return [{ to: entry.resolved ?? '', dev: false, optional: false, peer: false }];
  const edges = new Map<string, ModelEdge>();
  const take = (names: object | undefined, kind: (name: string) => Omit<ModelEdge, 'to'>): void => {
    for (const name of Object.keys(names ?? {})) {
      const to = find(model, location, name);
      if (to !== null) edges.set(name, { to, ...kind(name) });
    }
  };
  const plain = { dev: false, optional: false, peer: false };
  take(entry.peerDependencies, (name) => ({
    ...plain,
    peer: true,
    optional: entry.peerDependenciesMeta?.[name]?.optional === true,
  }));
  take(entry.dependencies, () => plain);
  take(entry.optionalDependencies, () => ({ ...plain, optional: true }));
  if (!isInstalled(location)) take(entry.devDependencies, () => ({ ...plain, dev: true }));
  if (location === '')
    for (const name of workspaceNames(model)) edges.set(name, { to: `node_modules/${name}`, ...plain });
  return [...edges.values()];
}

/** Looks for a package as Node.js does, by trying every folder upwards. */
function find(model: LockModel, from: string, name: string): string | null {
  const folders = from.split('/');
  for (let length = from === '' ? 0 : folders.length; length >= 0; length--) {
    const folder = folders.slice(0, length).join('/');
    const candidate = `${folder}${folder === '' ? '' : '/'}node_modules/${name}`;
    if (!folder.endsWith('node_modules') && model.entries.has(candidate)) return candidate;
    if (folder === '') break;
  }
  return null;
}

function workspaceNames(model: LockModel): readonly string[] {
  if (model.at('').workspaces === undefined) return [];
  return [...model.entries]
    .filter(([, entry]) => entry.link === true && (entry.resolved ?? '').startsWith('packages/'))
    .map(([location]) => location.replace('node_modules/', ''));
}
