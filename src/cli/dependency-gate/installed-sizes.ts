import { lstat, readFile, readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** Bounds of the measuring: it is a courtesy, and nobody waits for it. */
const MAX_FILES = 60_000;
const MAX_MS = 3_000;

/** Installed bytes by location, and whether every installed package was measured. */
export interface InstalledSizes {
  readonly bytes: Readonly<Record<string, number>>;
  readonly complete: boolean;
}

type Versions = ReadonlyMap<string, string>;

/**
 * Measures the packages installed beside a lock file, as far as the bounds allow, what the base lacks first. A
 * package counts only where npm's own record of the installation has the version that the lock has.
 */
export async function installedSizes(
  lockPath: string,
  files: { readonly head: Uint8Array; readonly base: Uint8Array | null },
): Promise<InstalledSizes | null> {
  const folder = dirname(lockPath);
  const record = await readRecord(join(folder, 'node_modules', '.package-lock.json'));
  const wanted = versionsIn(files.head);
  if (record === null || wanted === null) return null;
  const before: Versions = (files.base === null ? null : versionsIn(files.base)) ?? new Map();
  const present = [...wanted].filter(([location, version]) => record.get(location) === version);
  const isNew = ([location, version]: readonly [string, string]): boolean => before.get(location) !== version;
  const ordered = [...present.filter(isNew), ...present.filter((one) => !isNew(one))];
  const budget: Budget = { files: MAX_FILES, until: performance.now() + MAX_MS };
  const bytes: [string, number][] = [];
  for (const [location] of ordered) {
    const size = await sizeOf(join(folder, location), budget);
    if (size === null) break;
    bytes.push([location, size]);
  }
  return bytes.length === 0
    ? null
    : { bytes: Object.fromEntries(bytes), complete: bytes.length === wanted.size };
}

interface Budget {
  files: number;
  readonly until: number;
}

/** Bytes of the package's own files, without the packages nested in it; null once the budget is spent. */
async function sizeOf(folder: string, budget: Budget): Promise<number | null> {
  let bytes = 0;
  const open = [folder];
  for (let here = open.pop(); here !== undefined; here = open.pop()) {
    const above = here;
    const entries = await readdir(above, { withFileTypes: true }).catch(() => []);
    for (const entry of entries) {
      if (entry.isDirectory() && entry.name !== 'node_modules') open.push(join(above, entry.name));
    }
    const files = entries.filter((entry) => entry.isFile());
    budget.files -= files.length;
    if (budget.files < 0 || performance.now() > budget.until) return null;
    const sizes = await Promise.all(files.map(({ name }) => fileSize(join(above, name))));
    bytes += sizes.reduce((sum, size) => sum + size, 0);
  }
  return bytes;
}

async function fileSize(path: string): Promise<number> {
  return (await lstat(path).catch(() => null))?.size ?? 0;
}

async function readRecord(path: string): Promise<Versions | null> {
  try {
    return versionsIn(await readFile(path));
  } catch {
    return null;
  }
}

/** Versions by location, of installed packages only. What cannot be read here is reported where it is judged. */
function versionsIn(bytes: Uint8Array): Versions | null {
  let document: unknown;
  try {
    document = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return null;
  }
  const packages: unknown = memberOf(document, 'packages');
  if (typeof packages !== 'object' || packages === null) return null;
  const versions = new Map<string, string>();
  for (const [location, entry] of Object.entries(packages)) {
    const version = memberOf(entry, 'version');
    // A location that climbs out of the folder is none that npm installed there.
    const inside = /(?:^|\/)node_modules\//.test(location) && !location.split('/').includes('..');
    if (inside && typeof version === 'string' && memberOf(entry, 'link') !== true)
      versions.set(location, version);
  }
  return versions;
}

function memberOf(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, key)
    ? (value as Record<string, unknown>)[key]
    : undefined;
}
