import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '../../src/config';
import { dataDirOf, resetData } from '../../src/runtime/embedded';
import { prepareDataDir } from '../../src/runtime/embedded/data-dir';
import { readLock, releaseLock, tryLock } from '../../src/runtime/embedded/lock';
import { choosePort } from '../../src/runtime/embedded/ports';
import { linkLibraries } from '../../src/runtime/embedded/postgres-binaries';
import { takeOwnership } from '../../src/runtime/embedded/owner';
import { isAlive, ownMark } from '../../src/runtime/embedded/processes';

function aFolder() {
  const path = mkdtempSync(join(tmpdir(), 'ensemble-parts-'));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

test('the data folder is the configured one, else one per checkout', () => {
  expect(dataDirOf('/checkout', loadConfig({}))).toBe('/checkout/.ensemble');
  expect(dataDirOf('/checkout', loadConfig({ ENSEMBLE_DATA_DIR: '/elsewhere' }))).toBe('/elsewhere');
});

test('a taken port gives way to another one, and says so', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '0.0.0.0', resolve));
  const { port } = server.address() as AddressInfo;
  const chosen = await choosePort(port);
  expect(chosen.port).not.toBe(port);
  expect(chosen.instead).toBe(port);
  await new Promise((resolve) => server.close(resolve));
  expect(await choosePort(port)).toEqual({ port, instead: null });
  expect((await choosePort(port, new Set([port]))).port).not.toBe(port);
});

test('a process is recognised by its birth, not by its pid alone', () => {
  expect(isAlive(ownMark())).toBe(true);
  expect(isAlive({ pid: process.pid, born: 'another time' })).toBe(false);
});

test('a lock is held by the living and taken over from the dead', async () => {
  using folder = aFolder();
  const lock = join(folder.path, 'lock');
  expect(await tryLock(lock)).toBeNull();
  expect(await tryLock(lock)).toMatchObject({ pid: process.pid });
  writeFileSync(lock, JSON.stringify({ pid: process.pid, born: 'another time' }));
  expect(await tryLock(lock)).toBeNull();
  writeFileSync(lock, 'half a rec');
  expect(await tryLock(lock)).toBeNull();
  expect(readLock(lock)).toEqual(ownMark());
  releaseLock(lock);
  expect(existsSync(lock)).toBe(false);
});

test('of many who find a dead lock exactly one gets it', async () => {
  using folder = aFolder();
  const lock = join(folder.path, 'lock');
  writeFileSync(lock, JSON.stringify({ pid: process.pid, born: 'another time' }));
  const answers = await Promise.all(Array.from({ length: 20 }, () => tryLock(lock)));
  expect(answers.filter((answer) => answer === null)).toHaveLength(1);
});

test('libraries whose links were not made at installation get them', () => {
  using folder = aFolder();
  const native = join(folder.path, 'native');
  for (const name of ['bin', 'lib']) mkdirSync(join(native, name), { recursive: true });
  writeFileSync(join(native, 'lib', 'libpq.so.5.18'), '');
  writeFileSync(join(native, 'bin', 'postgres'), '', { mode: 0o644 });
  const links = [{ source: 'native/lib/libpq.so.5.18', target: 'native/lib/libpq.so.5' }];
  writeFileSync(join(native, 'pg-symlinks.json'), JSON.stringify(links));
  linkLibraries(native);
  linkLibraries(native);
  expect(readlinkSync(join(native, 'lib', 'libpq.so.5'))).toBe('libpq.so.5.18');
});

test('a folder of other files is neither used nor removed', async () => {
  using folder = aFolder();
  writeFileSync(join(folder.path, 'thesis.txt'), 'years of work');
  expect(() => prepareDataDir(folder.path)).toThrow(
    /holds files that are not Ensemble's; set ENSEMBLE_DATA_DIR/,
  );
  await expect(resetData(folder.path, () => {})).rejects.toThrow('was not made by Ensemble');
  expect(readFileSync(join(folder.path, 'thesis.txt'), 'utf8')).toBe('years of work');
});

test('reset says where the data is, refuses while it is in use, and removes it whole', async () => {
  using folder = aFolder();
  const said: string[] = [];
  const announce = (line: string): void => void said.push(line);
  const layout = prepareDataDir(folder.path);
  const ownership = await takeOwnership(layout);
  await expect(resetData(folder.path, announce)).rejects.toThrow(/already runs .* stop it first/);
  ownership.release();
  expect(await resetData(folder.path, announce)).toEqual([layout.root]);
  expect(said).toContain(`  data         in ${layout.root}`);
  expect(said).toContain(`  removed      ${layout.root}`);
  expect(existsSync(folder.path)).toBe(false);
  expect(await resetData(folder.path, announce)).toEqual([]);
});
