import { accessSync, constants, existsSync, readFileSync, statfsSync } from 'node:fs';
import { freemem } from 'node:os';
import { dirname } from 'node:path';
import type { Config } from '../../../config';
import { layoutOf } from '../data-dir';
import { liveOwner } from '../owner';
import { isFree } from '../ports';
import { canBecome, canEnter, unprivilegedUser } from '../unprivileged';
import type { Finding } from './finding';
import { holderOf } from './port-holder';

const GIB = 1024 ** 3;
const LEAST_MEMORY = 1.5 * GIB;
const LEAST_DISK = 0.5 * GIB;
const ROOMY_DISK = 2 * GIB;

/** Looks at what the machine gives: memory, disk, folders, the user, ports. */
export async function machineFindings(config: Config, dataDir: string): Promise<readonly Finding[]> {
  const cacheDir = config.ENSEMBLE_CACHE_DIR;
  return [
    memory(),
    disk('disk for data', dataDir),
    disk('disk for cache', cacheDir),
    folder('data folder', dataDir, 'ENSEMBLE_DATA_DIR'),
    folder('cache folder', cacheDir, 'ENSEMBLE_CACHE_DIR'),
    user(dataDir),
    ...(await ports(config, dataDir)),
  ];
}

function memory(): Finding {
  const available = availableMemory();
  const what = `${(available / GIB).toFixed(1)} GiB available`;
  if (available >= LEAST_MEMORY) return { status: 'ok', name: 'memory', what };
  return {
    status: 'warn',
    name: 'memory',
    what,
    todo: 'Temporal, PostgreSQL and a worker take about 1 GiB together',
  };
}

function availableMemory(): number {
  try {
    const kib = /^MemAvailable:\s+(\d+) kB/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1];
    return kib === undefined ? freemem() : Number(kib) * 1024;
  } catch {
    return freemem();
  }
}

function disk(name: string, path: string): Finding {
  const place = nearestExisting(path);
  const { bavail, bsize } = statfsSync(place);
  const free = bavail * bsize;
  const what = `${(free / GIB).toFixed(1)} GiB free at ${place}`;
  if (free >= ROOMY_DISK) return { status: 'ok', name, what };
  const todo = 'the servers with their data take about 1 GiB';
  return { status: free < LEAST_DISK ? 'FAIL' : 'warn', name, what, todo };
}

function folder(name: string, path: string, variable: string): Finding {
  const place = nearestExisting(path);
  try {
    accessSync(place, constants.W_OK | constants.X_OK);
    return { status: 'ok', name, what: existsSync(path) ? path : `${path} (not there yet)` };
  } catch {
    return {
      status: 'FAIL',
      name,
      what: `${place} cannot be written to`,
      todo: `set ${variable} to another folder`,
    };
  }
}

function user(dataDir: string): Finding {
  const name = 'user';
  const other = unprivilegedUser();
  if (other === null) return { status: 'ok', name, what: `uid ${process.getuid?.() ?? 'unknown'}` };
  if (!canBecome(other)) {
    const what = `root, and PostgreSQL refuses to run as root, but user ${other.uid} cannot be used here`;
    return { status: 'FAIL', name, what, todo: 'start as another user, or set DATABASE_URL' };
  }
  const { root, elsewhere } = layoutOf(dataDir);
  const reachable = canEnter(nearestExisting(root), other);
  const where = reachable ? '' : `, its data in ${elsewhere} since that user cannot enter ${root}`;
  return { status: 'ok', name, what: `root; PostgreSQL runs as user ${other.uid}${where}` };
}

async function ports(config: Config, dataDir: string): Promise<Finding[]> {
  const owner = liveOwner(dataDir);
  const wanted: readonly (readonly [number, string])[] = [
    [7233, 'npm start takes another one'],
    [8233, 'npm start takes another one'],
    [config.ENSEMBLE_HTTP_PORT, 'set ENSEMBLE_HTTP_PORT for the server'],
  ];
  return Promise.all(
    wanted.map(async ([port, todo]): Promise<Finding> => {
      const name = `port ${port}`;
      if (await isFree(port)) return { status: 'ok', name, what: 'free' };
      const what = `taken by ${holderOf(port) ?? 'a process that this user cannot see'}`;
      const ours = [owner?.temporalAddress, owner?.temporalUiUrl].some(
        (url) => url?.endsWith(`:${port}`) === true,
      );
      return ours
        ? { status: 'ok', name, what: `${what}, this checkout's own` }
        : { status: 'warn', name, what, todo };
    }),
  );
}

function nearestExisting(path: string): string {
  return existsSync(path) || path === dirname(path) ? path : nearestExisting(dirname(path));
}
