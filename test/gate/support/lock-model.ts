import { createHash } from 'node:crypto';
import type { ProjectFiles } from './npm-query';

/** An entry as versions 2 and 3 write it. */
export interface ModelEntry {
  name?: string;
  version?: string;
  resolved?: string;
  integrity?: string | undefined;
  link?: boolean;
  license?: unknown;
  engines?: unknown;
  hasInstallScript?: boolean;
  deprecated?: string;
  inBundle?: boolean;
  dev?: boolean;
  optional?: boolean;
  devOptional?: boolean;
  peer?: boolean;
  workspaces?: readonly string[];
  bundleDependencies?: string[];
  dependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
  peerDependencies?: Record<string, string>;
  peerDependenciesMeta?: Record<string, { optional: boolean }>;
}

export type LockVersion = 1 | 2 | 3;
type Section = 'dependencies' | 'devDependencies' | 'optionalDependencies' | 'peerDependencies';

/** How a generated project writes its lock. */
export interface Dialect {
  readonly version: LockVersion;
  /** Whether registry packages name their address, which npm can be told to leave out. */
  readonly resolved: boolean;
}

const REGISTRY_HOST = 'packages.example.com';

/** The integrity a registry would state for this package and version. */
export function integrityOf(seed: string, algorithm = 'sha512'): string {
  return `${algorithm}-${createHash(algorithm).update(seed).digest('base64')}`;
}

/** The address a registry would serve this package and version from. */
export function addressOf(name: string, version: string, host = REGISTRY_HOST): string {
  return `https://${host}/${name}/-/${name.split('/').at(-1)}-${version}.tgz`;
}

/** A project's packages by location, and what the lock file of it looks like. */
export class LockModel {
  readonly entries = new Map<string, ModelEntry>();

  constructor(readonly dialect: Dialect) {
    this.entries.set('', { name: 'generated', version: '1.0.0', license: 'MIT', engines: { node: '>=20' } });
  }

  at(location: string): ModelEntry {
    const entry = this.entries.get(location);
    if (entry === undefined) throw new Error(`nothing at ${location}`);
    return entry;
  }

  /** Puts a package into node_modules of `under`, as a registry would have it, with some facts set otherwise. */
  add(name: string, facts: ModelEntry & { under?: string } = {}): string {
    const { under = '', ...own } = facts;
    const published = own.name ?? name;
    const version = own.version ?? '1.0.0';
    const location = `${under}${under === '' ? '' : '/'}node_modules/${name}`;
    this.entries.set(location, {
      version,
      ...(this.dialect.resolved ? { resolved: addressOf(published, version) } : {}),
      integrity: integrityOf(`${published}@${version}`),
      license: 'MIT',
      ...own,
    });
    return location;
  }

  /** Adds a wish of one package (the root by default) for another. */
  require(name: string, { from = '', range = '*', as = 'dependencies' as Section } = {}): void {
    const entry = this.at(from);
    entry[as] = { ...entry[as], [name]: range };
  }

  remove(location: string): void {
    this.entries.delete(location);
  }

  clone(): LockModel {
    const copy = new LockModel(this.dialect);
    copy.entries.clear();
    for (const [location, entry] of this.entries) copy.entries.set(location, structuredClone(entry));
    return copy;
  }

  /** The folders of the project besides the lock that npm reads: manifests of the root, workspaces and linked folders. */
  files(document: object): ProjectFiles {
    const own = [...this.entries].filter(([location, { link }]) => link !== true && !isInstalled(location));
    // Version 1 says nothing of the root; npm is given as little as the gate.
    if (this.dialect.version === 1) return { 'package-lock.json': document };
    const manifests = own.map(([location, entry]) => [
      `${location === '' ? '' : `${location}/`}package.json`,
      { name: location.split('/').at(-1), ...entry },
    ]);
    return { ...(Object.fromEntries(manifests) as ProjectFiles), 'package-lock.json': document };
  }
}

/** Whether the location is inside a node_modules folder. */
export function isInstalled(location: string): boolean {
  return /(?:^|\/)node_modules\//.test(location);
}
