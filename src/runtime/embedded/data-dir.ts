import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Config } from '../../config';
import { AppError } from '../../protocol/failures';
import { messageOf } from './errors';

/** Where everything of one data folder lies. */
export interface DataLayout {
  readonly root: string;
  /** Held by the process that runs the servers of this folder. */
  readonly owner: string;
  /** One file per running server, by which a later start recognises a leftover. */
  readonly children: string;
  readonly logs: string;
  readonly secrets: string;
  readonly temporalDatabase: string;
  /** PostgreSQL's cluster, unless its user cannot come here: then it is in `elsewhere`. */
  readonly cluster: string;
  readonly elsewhere: string;
}

const DEFAULT_NAME = '.ensemble';
const MARKER = 'ensemble-data.json';
/** Reachable for every user: used when root keeps its checkout where PostgreSQL's user cannot come. */
export const SHARED_ROOT = '/var/lib/ensemble';

/** The data folder of a checkout, unless the configuration names another one. */
export function dataDirOf(checkout: string, config: Config): string {
  return config.ENSEMBLE_DATA_DIR ?? join(checkout, DEFAULT_NAME);
}

/** The folder that holds this product's package.json, from sources and from the build alike. */
export function checkoutRoot(from: string = __dirname): string {
  for (let folder = from; folder !== dirname(folder); folder = dirname(folder)) {
    const manifest = join(folder, 'package.json');
    if (existsSync(manifest) && readFileSync(manifest, 'utf8').includes('"name": "ensemble"')) return folder;
  }
  throw new AppError('CONFIG_INVALID', `No Ensemble checkout above ${from}`);
}

/** The places within a data folder; nothing is created. */
export function layoutOf(dataDir: string): DataLayout {
  const root = existsSync(dataDir) ? realpathSync(dataDir) : dataDir;
  const id = createHash('sha256').update(root).digest('hex').slice(0, 12);
  return {
    root,
    owner: join(root, 'owner.json'),
    children: join(root, 'children'),
    logs: join(root, 'logs'),
    secrets: join(root, 'secrets.json'),
    temporalDatabase: join(root, 'temporal', 'temporal.db'),
    cluster: join(root, 'postgres'),
    elsewhere: join(SHARED_ROOT, id),
  };
}

/** Creates the data folder; refuses a folder of somebody else's files, since `reset` removes it whole. */
export function prepareDataDir(dataDir: string): DataLayout {
  try {
    if (!existsSync(dataDir)) {
      mkdirSync(dataDir, { recursive: true });
      // Root lets PostgreSQL's user pass through, not look; what is secret inside is closed by itself.
      chmodSync(dataDir, process.getuid?.() === 0 ? 0o711 : 0o700);
    }
    const layout = layoutOf(dataDir);
    claim(layout.root);
    for (const folder of [layout.children, layout.logs, dirname(layout.temporalDatabase)])
      mkdirSync(folder, { recursive: true, mode: 0o700 });
    return layout;
  } catch (error) {
    if (AppError.is(error)) throw error;
    throw new AppError(
      'CONFIG_INVALID',
      `The data folder ${dataDir} cannot be used: ${messageOf(error)}; set ENSEMBLE_DATA_DIR`,
      {
        cause: error,
      },
    );
  }
}

/** True for a folder that this product made, and therefore may remove. */
export function isOurs(dataDir: string): boolean {
  return existsSync(join(dataDir, MARKER)) || basename(dataDir) === DEFAULT_NAME;
}

function claim(root: string): void {
  const marker = join(root, MARKER);
  if (existsSync(marker)) return;
  if (!isOurs(root) && readdirSync(root).length > 0) {
    throw new AppError(
      'CONFIG_INVALID',
      `The data folder ${root} holds files that are not Ensemble's; set ENSEMBLE_DATA_DIR to an empty or new one`,
    );
  }
  writeFileSync(marker, `${JSON.stringify({ madeBy: 'ensemble', version: 1 })}\n`);
}
