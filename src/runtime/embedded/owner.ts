import { AppError } from '../../protocol/failures';
import { layoutOf, type DataLayout } from './data-dir';
import { isAlive } from './processes';
import { readLock, releaseLock, rewriteLock, tryLock, type LockRecord } from './lock';

/** Where the servers of a data folder are reached. */
export interface Addresses {
  readonly temporalAddress: string;
  readonly temporalUiUrl: string | null;
  readonly databaseUrl: string;
  readonly databaseAdminUrl: string | null;
}

/** The process that runs the servers of a data folder; the addresses are null while it is still starting them. */
export interface LiveOwner {
  readonly pid: number;
  readonly temporalAddress: string | null;
  readonly temporalUiUrl: string | null;
  readonly databaseUrl: string | null;
  readonly databaseAdminUrl: string | null;
}

/** The hold of this process on its data folder. */
export interface Ownership {
  publish(addresses: Addresses): void;
  release(): void;
}

/** Says which living process runs the servers of this data folder, and where they are; null when none does. */
export function liveOwner(dataDir: string): LiveOwner | null {
  const layout = layoutOf(dataDir);
  const record = readLock(layout.owner);
  if (record === null || !holds(layout, record)) return null;
  return {
    pid: record.pid,
    temporalAddress: textOf(record, 'temporalAddress'),
    temporalUiUrl: textOf(record, 'temporalUiUrl'),
    databaseUrl: textOf(record, 'databaseUrl'),
    databaseAdminUrl: textOf(record, 'databaseAdminUrl'),
  };
}

/** Makes this process the owner of the data folder, or says who is. */
export async function takeOwnership(layout: DataLayout): Promise<Ownership> {
  const content = { dataDir: layout.root };
  const holder = await tryLock(layout.owner, content, (record) => holds(layout, record));
  if (holder !== null) {
    throw new AppError(
      'CONFIG_INVALID',
      `Ensemble already runs with the data folder ${layout.root} (pid ${holder.pid}): stop it first, or set ENSEMBLE_DATA_DIR to another folder`,
    );
  }
  return {
    publish: (addresses) => rewriteLock(layout.owner, { ...content, ...addresses }),
    release: () => releaseLock(layout.owner),
  };
}

// A copied folder carries its original's files along: what they say is true of the original only.
function holds(layout: DataLayout, record: LockRecord): boolean {
  return record['dataDir'] === layout.root && isAlive(record);
}

function textOf(record: LockRecord, key: keyof Addresses): string | null {
  const value = record[key];
  return typeof value === 'string' ? value : null;
}
