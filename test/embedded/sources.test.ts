import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadConfig } from '../../src/config';
import { startEmbedded } from '../../src/runtime/embedded';
import { layoutOf } from '../../src/runtime/embedded/data-dir';
import { aDataDir, cleanEnvironment } from './support/data-dir';
import { query, uidOf } from './support/processes';

test('servers named by configuration are passed on and nothing is started', async () => {
  const said: string[] = [];
  const config = loadConfig({ DATABASE_URL: 'postgres://app@db.example:5432/app' });
  const environment = { TEMPORAL_ADDRESS: 'temporal.example:7233' };
  const dataDir = '/nonexistent/never-made';
  const servers = await startEmbedded({
    config,
    environment,
    dataDir,
    announce: (line) => void said.push(line),
  });
  expect(servers).toMatchObject({
    temporalAddress: 'temporal.example:7233',
    temporalUiUrl: null,
    databaseUrl: 'postgres://app@db.example:5432/app',
    databaseAdminUrl: null,
    pids: [],
  });
  expect(said.join('\n')).toContain('yours on db.example:5432');
  expect(existsSync(dataDir)).toBe(false);
});

test('only the half that is not configured is started', async () => {
  await using dataDir = aDataDir();
  const environment = { ...cleanEnvironment(), TEMPORAL_ADDRESS: 'temporal.example:7233' };
  const servers = await dataDir.start({ environment });
  expect(servers.pids).toHaveLength(1);
  expect(await query(String(servers.databaseAdminUrl), 'select 1')).toEqual([1]);
});

test('PostgreSQL never runs as root, and its data is where its user can come', async () => {
  await using open = aDataDir(0o711);
  await using closed = aDataDir(0o700);
  const environment = { ...cleanEnvironment(), TEMPORAL_ADDRESS: 'temporal.example:7233' };
  const [inside, outside] = [await open.start({ environment }), await closed.start({ environment })];
  for (const pid of [...inside.pids, ...outside.pids]) expect(uidOf(pid)).not.toBe(0);
  expect(existsSync(join(open.path, 'postgres', 'PG_VERSION'))).toBe(true);
  const isRoot = process.getuid?.() === 0;
  const { cluster, elsewhere } = layoutOf(closed.path);
  const expected = isRoot ? join(elsewhere, 'postgres') : cluster;
  expect(existsSync(join(expected, 'PG_VERSION'))).toBe(true);
  expect(closed.said.join('\n').includes(`its data is in ${expected}`)).toBe(isRoot);
});

test('the PostgreSQL that came with the packages serves, and a cluster of another version is explained', async () => {
  await using dataDir = aDataDir();
  const environment = { ...cleanEnvironment(), TEMPORAL_ADDRESS: 'temporal.example:7233' };
  const servers = await dataDir.start({ environment, postgres: 'packaged' });
  expect(await query(String(servers.databaseAdminUrl), 'show server_version')).toEqual([
    expect.stringMatching(/^18/),
  ]);
  await servers.stop();
  const version = join(dataDir.path, 'postgres', 'PG_VERSION');
  expect(readFileSync(version, 'utf8').trim()).toBe('18');
  writeFileSync(version, '9\n');
  await expect(dataDir.start({ environment })).rejects.toMatchObject({
    code: 'DATABASE_UNAVAILABLE',
    message: expect.stringMatching(
      /was made by PostgreSQL 9, and here is .*: install PostgreSQL 9, or .* npm run reset/,
    ),
  });
});
