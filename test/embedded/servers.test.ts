import { statSync } from 'node:fs';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { loadConfig } from '../../src/config';
import { liveOwner } from '../../src/runtime/embedded';
import { aDataDir, cleanEnvironment } from './support/data-dir';
import { processesOf, query, until } from './support/processes';

async function temporalAt(address: string): Promise<Client & AsyncDisposable> {
  const connection = await Connection.connect({ address });
  return Object.assign(new Client({ connection }), { [Symbol.asyncDispose]: () => connection.close() });
}

test('both servers start, say so with the time, and are durable and private', async () => {
  await using dataDir = aDataDir();
  const servers = await dataDir.start();

  expect(dataDir.said.join('\n')).toMatch(/ {2}temporal {5}ready on 127\.0\.0\.1:\d+ \(\d+\.\d s\)/);
  expect(dataDir.said.join('\n')).toMatch(/ {2}postgresql {3}ready on 127\.0\.0\.1:\d+, version \d+/);
  expect((await fetch(String(servers.temporalUiUrl))).status).toBe(200);
  const admin = String(servers.databaseAdminUrl);
  const settings = ['fsync', 'synchronous_commit', 'max_connections', 'listen_addresses'];
  const shown = await query(
    admin,
    `select setting from pg_settings where name in ('${settings.join("','")}') order by name`,
  );
  expect(shown).toEqual(['on', '127.0.0.1', '200', 'on']);
  expect(
    await query(admin, 'select current_user::text || rolsuper from pg_roles where rolname = current_user'),
  ).toEqual(['ensemble_admintrue']);
  expect(new URL(servers.databaseUrl).username).toBe('ensemble_local');
  // The application's login is a migration's business, with the password that is in its URL.
  expect(await query(admin, "select count(*)::int from pg_roles where rolname = 'ensemble_local'")).toEqual([
    0,
  ]);
  for (const file of ['secrets.json', 'owner.json']) {
    expect(statSync(join(dataDir.path, file)).mode & 0o077).toBe(0);
  }
});

test('the data of both survives a kill -9 and a second start', async () => {
  await using dataDir = aDataDir();
  const first = await dataDir.start();
  {
    await using temporal = await temporalAt(first.temporalAddress);
    await temporal.workflow.start('waits', { workflowId: 'kept', taskQueue: 'nobody' });
  }
  await query(String(first.databaseAdminUrl), 'create table kept as select 42 as answer');
  for (const pid of first.pids) process.kill(pid, 'SIGKILL');
  await first.stop();

  const second = await dataDir.start();
  await using temporal = await temporalAt(second.temporalAddress);
  expect((await temporal.workflow.getHandle('kept').describe()).status.name).toBe('RUNNING');
  expect(await query(String(second.databaseAdminUrl), 'select answer from kept')).toEqual([42]);
});

test('search attributes and a namespace can be asked for of a server that already has data', async () => {
  await using dataDir = aDataDir();
  const database = {
    config: loadConfig({ ...cleanEnvironment(), DATABASE_URL: 'postgres://app@db.example/app' }),
  };
  await (await dataDir.start(database)).stop();
  const environment = { ...cleanEnvironment(), TEMPORAL_NAMESPACE: 'mine' };
  const { temporalAddress } = await dataDir.start({
    ...database,
    environment,
    searchAttributes: ['EnsembleTenant', 'EnsembleProject'],
  });
  const connection = await Connection.connect({ address: temporalAddress });
  const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace: 'mine' });
  expect(Object.keys(customAttributes ?? {})).toEqual(
    expect.arrayContaining(['EnsembleTenant', 'EnsembleProject']),
  );
  await connection.close();
});

test('stop leaves no process behind, and a later start takes over at once', async () => {
  await using dataDir = aDataDir();
  const servers = await dataDir.start({ ui: false });
  expect(servers.temporalUiUrl).toBeNull();
  expect(processesOf(dataDir.path)).toEqual([...servers.pids].toSorted((a, b) => a - b));
  await Promise.all([servers.stop(), servers.stop()]);
  expect(processesOf(dataDir.path)).toEqual([]);
  expect(liveOwner(dataDir.path)).toBeNull();
});

test('a second start in the same folder is refused and told where the servers are', async () => {
  await using dataDir = aDataDir();
  const { temporalAddress, temporalUiUrl, databaseUrl, databaseAdminUrl } = await dataDir.start();
  expect(liveOwner(dataDir.path)).toEqual({
    pid: process.pid,
    temporalAddress,
    temporalUiUrl,
    databaseUrl,
    databaseAdminUrl,
  });
  await expect(dataDir.start()).rejects.toThrow(
    `already runs with the data folder ${dataDir.path} (pid ${process.pid})`,
  );
});

test('two folders stand side by side, and ports that are taken are named', async () => {
  await using one = aDataDir();
  await using two = aDataDir();
  const first = await one.start({ ports: 'preferred' });
  const second = await two.start({ ports: 'preferred' });
  expect(second.temporalAddress).not.toBe(first.temporalAddress);
  expect(second.temporalUiUrl).not.toBe(first.temporalUiUrl);
  // Which of them are free is up to the machine; what counts is that another one is taken and named.
  for (const [{ said }, servers] of [
    [one, first],
    [two, second],
  ] as const) {
    const addresses = [
      `http://${servers.temporalAddress}`,
      String(servers.temporalUiUrl),
      servers.databaseUrl,
    ];
    for (const [index, usual] of [7233, 8233, 54_329].entries()) {
      const port = new URL(String(addresses[index])).port;
      const named = said.some((line) => line.includes(`port ${usual} is taken, using ${port}`));
      expect(named).toBe(port !== String(usual));
    }
  }
});

test('a start that is aborted stops what it has started', async () => {
  await using dataDir = aDataDir();
  const abort = new AbortController();
  const starting = dataDir.start({ signal: abort.signal });
  await until(() => processesOf(dataDir.path).length > 0);
  abort.abort();
  await expect(starting).rejects.toMatchObject({ code: 'RUN_CANCELLED' });
  expect(processesOf(dataDir.path)).toEqual([]);
  expect(liveOwner(dataDir.path)).toBeNull();
});
