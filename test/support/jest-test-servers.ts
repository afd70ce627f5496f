import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '../../src/config';
import { liveOwner, resetData, startEmbedded, type EmbeddedServers } from '../../src/runtime/embedded';
import { isOurs } from '../../src/runtime/embedded/data-dir';

interface TestServers {
  readonly servers: EmbeddedServers;
  readonly dataDir: string;
}

// Set-up and teardown are loaded separately: only the process itself is common to them.
const holder: { ensembleTestServers?: TestServers | undefined } & typeof globalThis = globalThis;
const PREFIX = 'ensemble-test-servers-';
const ABANDONABLE = /^ensemble-(test-servers|embedded)-/;
const ABANDONED_MS = 10 * 60 * 1_000;

/** One Temporal and one PostgreSQL for the whole test run, on free ports and in a folder of their own. */
export async function startTestServers(): Promise<void> {
  await removeAbandoned();
  const dataDir = mkdtempSync(join(tmpdir(), PREFIX));
  // PostgreSQL's user passes through when root runs the tests.
  chmodSync(dataDir, 0o711);
  // The tests never touch servers that a shell happens to point at: only where programs are is taken from it.
  const { PATH, HOME, GOFLAGS, GOPROXY, XDG_CACHE_HOME, ENSEMBLE_CACHE_DIR } = process.env;
  const environment = { PATH, HOME, GOFLAGS, GOPROXY, XDG_CACHE_HOME, ENSEMBLE_CACHE_DIR };
  const announce = (line: string) => void process.stderr.write(`${line}\n`);
  const config = loadConfig(environment);
  const servers = await startEmbedded({ config, environment, dataDir, announce, ports: 'any' });
  holder.ensembleTestServers = { servers, dataDir };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => void stopTestServers().finally(() => process.exit(130)));
  }
  Object.assign(process.env, {
    ENSEMBLE_TEST_TEMPORAL_ADDRESS: servers.temporalAddress,
    ENSEMBLE_TEST_TEMPORAL_UI_URL: servers.temporalUiUrl ?? '',
    ENSEMBLE_TEST_DATABASE_ADMIN_URL: servers.databaseAdminUrl ?? '',
    ENSEMBLE_TEST_DATABASE_URL: servers.databaseUrl,
  });
}

// A test run that was interrupted could not clean up; its servers went with it, its folders did not.
async function removeAbandoned(): Promise<void> {
  for (const name of readdirSync(tmpdir()).filter((entry) => ABANDONABLE.test(entry))) {
    const folder = join(tmpdir(), name);
    const modified = statSync(folder, { throwIfNoEntry: false })?.mtimeMs ?? Date.now();
    if (Date.now() - modified < ABANDONED_MS || liveOwner(folder) !== null || !isOurs(folder)) continue;
    await resetData(folder, () => {});
  }
}

/** Stops the servers of this test run and removes what they left. */
export async function stopTestServers(): Promise<void> {
  const kept = holder.ensembleTestServers;
  if (kept === undefined) return;
  holder.ensembleTestServers = undefined;
  await kept.servers.stop();
  rmSync(kept.dataDir, { recursive: true, force: true });
}
