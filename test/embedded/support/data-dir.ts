import { chmodSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '../../../src/config';
import {
  resetData,
  startEmbedded,
  type EmbeddedOptions,
  type EmbeddedServers,
} from '../../../src/runtime/embedded';
import { prepareDataDir } from '../../../src/runtime/embedded/data-dir';

/** A data folder of one test, removed with everything in it. */
export interface TestDataDir extends AsyncDisposable {
  readonly path: string;
  readonly said: string[];
  start(options?: Partial<EmbeddedOptions>): Promise<EmbeddedServers>;
}

/** What a start may know of this machine: where programs are, and where the Temporal CLI is cached. */
export function cleanEnvironment(): Record<string, string | undefined> {
  const { PATH, HOME, XDG_CACHE_HOME, ENSEMBLE_CACHE_DIR } = process.env;
  return { PATH, HOME, XDG_CACHE_HOME, ENSEMBLE_CACHE_DIR };
}

/** Makes an empty data folder; `mode` 0o700 is one that PostgreSQL's user cannot enter when root runs the tests. */
export function aDataDir(mode = 0o711): TestDataDir {
  const path = mkdtempSync(join(tmpdir(), 'ensemble-embedded-'));
  chmodSync(path, mode);
  const said: string[] = [];
  const announce = (line: string): void => void said.push(line);
  const running: EmbeddedServers[] = [];
  return {
    path,
    said,
    start: async (options = {}) => {
      const environment = cleanEnvironment();
      const config = loadConfig(environment);
      const servers = await startEmbedded({
        config,
        environment,
        dataDir: path,
        announce,
        ports: 'any',
        ...options,
      });
      running.push(servers);
      return servers;
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.all(running.map((servers) => servers.stop()));
      prepareDataDir(path);
      await resetData(path, announce);
    },
  };
}
