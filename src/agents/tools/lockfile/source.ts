import { type LockEntry, isInstalled } from './entry';
import type { Graph } from './graph';
import { forEachPaced } from './pacer';

/** Places a package can come from. */
export const SOURCE_KINDS = [
  'registry',
  'tarball',
  'git',
  'file',
  'link',
  'bundled',
  'local',
  'unknown',
] as const;
export type SourceKind = (typeof SOURCE_KINDS)[number];

/** Where a package's bytes come from, as far as the lock says. */
export interface PackageSource {
  readonly kind: SourceKind;
  readonly host: string | null;
  /** The transport, such as https or git+ssh; null where there is none. */
  readonly scheme: string | null;
  /** For git: whether the address names one commit. */
  readonly pinned: boolean;
  /** For a registry address: the package and version it names, which may not be the entry's. */
  readonly names: { readonly name: string; readonly version: string | null } | null;
}

const NOWHERE = { host: null, scheme: null, pinned: false, names: null } as const;
const HOSTED_GIT: Readonly<Record<string, string>> = {
  github: 'github.com',
  gitlab: 'gitlab.com',
  bitbucket: 'bitbucket.org',
  gist: 'gist.github.com',
};

/** Addresses are parsed once per entry: several checks ask, and there may be tens of thousands. */
const parsed = new WeakMap<LockEntry, PackageSource>();

/** Reads the entry's `resolved`; an entry without one is unknown, never guessed from its version. */
export function sourceOf(entry: LockEntry): PackageSource {
  const known = parsed.get(entry);
  if (known !== undefined) return known;
  const source = readSource(entry);
  parsed.set(entry, source);
  return source;
}

function readSource(entry: LockEntry): PackageSource {
  if (entry.linkTarget !== null) return { kind: 'link', ...NOWHERE };
  if (!isInstalled(entry.location)) return { kind: 'local', ...NOWHERE };
  const { resolved } = entry;
  if (resolved === null) return { kind: entry.bundled ? 'bundled' : 'unknown', ...NOWHERE };
  if (resolved.startsWith('file:')) return { kind: 'file', ...NOWHERE, scheme: 'file' };
  const hosted = /^(github|gitlab|bitbucket|gist):/.exec(resolved)?.[1];
  if (hosted !== undefined) return { ...git(resolved), host: HOSTED_GIT[hosted] ?? null, scheme: 'git+ssh' };
  const address = parseAddress(resolved);
  if (address === null) return { kind: 'unknown', ...NOWHERE };
  const { host } = address;
  const scheme = address.protocol.slice(0, -1);
  if (scheme.startsWith('git')) return { ...git(resolved), host, scheme };
  if (scheme !== 'http' && scheme !== 'https') return { kind: 'unknown', ...NOWHERE, host, scheme };
  if (address.pathname.endsWith('.git')) return { ...git(resolved), host, scheme };
  const names = namesInAddress(address.pathname);
  return { kind: names === null ? 'tarball' : 'registry', host, scheme, pinned: false, names };
}

/** Whether a dependency's range asks for a version from a registry, as against an address of its own. */
export function asksRegistry(range: string): boolean {
  if (range.startsWith('npm:')) return true;
  return !/^(?:[a-z+]+:|[^@\s/]+\/[^/\s]+|\.{0,2}\/|~\/)/i.test(range);
}

/** The host most registry packages of this graph come from; null where none does, or most name no source at all. */
export async function majorityHost(graph: Graph): Promise<string | null> {
  const counts = new Map<string, number>();
  let silent = 0;
  await forEachPaced(graph.nodes, ({ entry }) => {
    const { kind, host } = sourceOf(entry);
    if (kind === 'unknown') silent++;
    if (kind === 'registry' && host !== null) counts.set(host, (counts.get(host) ?? 0) + 1);
  });
  const [first] = [...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
  return first === undefined || first[1] < silent ? null : first[0];
}

/** `host scope` pairs of a graph's registry packages: what this project already fetches from where. */
export async function knownHosts(graph: Graph): Promise<ReadonlySet<string>> {
  const known = new Set<string>();
  await forEachPaced(graph.nodes, ({ entry }) => {
    const { kind, host } = sourceOf(entry);
    if (kind === 'registry' && host !== null) known.add(hostOfScope(host, entry));
  });
  return known;
}

/** The key `knownHosts` keeps for a package of this scope on this host. */
export function hostOfScope(host: string, entry: LockEntry): string {
  const scope = entry.packageName.startsWith('@') ? (entry.packageName.split('/')[0] ?? '') : '';
  return `${host} ${scope}`;
}

function git(resolved: string): PackageSource {
  return { kind: 'git', ...NOWHERE, pinned: /#(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(resolved) };
}

function parseAddress(text: string): URL | null {
  try {
    return new URL(text);
  } catch {
    return null;
  }
}

/** Registries put tarballs at <name>/-/<base>-<version>.tgz; one large host at /download/<name>/<version>/<hash>. */
function namesInAddress(pathname: string): PackageSource['names'] {
  const path = decodePath(pathname);
  const usual = /(?:^|\/)((?:@[^/]+\/)?([^/]+))\/-\/(?:@[^/]+\/)?([^/]+)\.(?:tgz|tar\.gz)$/.exec(path);
  if (usual !== null) {
    const [, name = '', base = '', file = ''] = usual;
    return { name, version: file.startsWith(`${base}-`) ? file.slice(base.length + 1) : null };
  }
  const download = /\/download\/(@[^/]+\/[^/]+)\/([^/]+)\/[^/]+$/.exec(path);
  return download === null ? null : { name: download[1] ?? '', version: download[2] ?? null };
}

function decodePath(pathname: string): string {
  try {
    return decodeURIComponent(pathname);
  } catch {
    return pathname;
  }
}
