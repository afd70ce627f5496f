import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { liveOwner } from '../../src/runtime/embedded';
import { prepareDataDir } from '../../src/runtime/embedded/data-dir';
import { rememberChild, stopLeftovers } from '../../src/runtime/embedded/leftovers';
import { isAlive, markOf } from '../../src/runtime/embedded/processes';
import { aDataDir, cleanEnvironment } from './support/data-dir';
import { processesOf, query, until } from './support/processes';

const OWNER = join(__dirname, 'support', 'owner.js');

async function startOwner(dataDir: string): Promise<ChildProcess> {
  const env = cleanEnvironment();
  const owner = spawn(process.execPath, [OWNER, dataDir], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  await once(owner.stdout, 'data');
  return owner;
}

/** A process that only waits; killed at the end whatever the test did. */
function aProcess(): ChildProcess & Disposable {
  const child = spawn('sleep', ['300'], { detached: true, stdio: 'ignore' });
  return Object.assign(child, { [Symbol.dispose]: () => void child.kill('SIGKILL') });
}

test('when the owner is killed its servers go too, and the next start finds the data', async () => {
  await using dataDir = aDataDir();
  const owner = await startOwner(dataDir.path);
  const seen = liveOwner(dataDir.path);
  expect(seen?.pid).toBe(owner.pid);
  await query(String(seen?.databaseAdminUrl), 'create table kept as select 7 as answer');

  owner.kill('SIGKILL');
  await once(owner, 'exit');
  expect(liveOwner(dataDir.path)).toBeNull();
  if (process.platform === 'linux') await until(() => processesOf(dataDir.path).length === 0);
  const servers = await dataDir.start();
  expect(await query(String(servers.databaseAdminUrl), 'select answer from kept')).toEqual([7]);
});

test('a start right after the kill first stops what is still there', async () => {
  await using dataDir = aDataDir();
  const owner = await startOwner(dataDir.path);
  owner.kill('SIGKILL');
  await once(owner, 'exit');
  const servers = await dataDir.start();
  expect(processesOf(dataDir.path)).toEqual([...servers.pids].toSorted((a, b) => a - b));
});

test('SIGTERM to the owner alone leaves no process behind', async () => {
  await using dataDir = aDataDir();
  const owner = await startOwner(dataDir.path);
  owner.kill('SIGTERM');
  await until(() => processesOf(dataDir.path).length === 0);
});

test('a leftover is stopped only when it is proven to be one', async () => {
  await using dataDir = aDataDir();
  using leftover = aProcess();
  using stranger = aProcess();
  using original = aProcess();
  const layout = prepareDataDir(dataDir.path);
  const markOfChild = (child: ChildProcess) => {
    const mark = markOf(Number(child.pid));
    if (mark === null) throw new Error('the process is gone');
    return mark;
  };

  rememberChild(layout, 'temporal', markOfChild(leftover));
  // The pid of a process that ended was given to another one.
  rememberChild(layout, 'postgresql', { ...markOfChild(stranger), born: 'another time' });
  // A folder that was copied while its servers ran carries their files along.
  rememberChild({ ...layout, root: '/the/original' }, 'temporal', markOfChild(original));
  copyFileSync(join(layout.children, 'temporal.json'), join(layout.children, 'copied.json'));
  rememberChild(layout, 'temporal', markOfChild(leftover));

  expect(await stopLeftovers(layout, () => {})).toEqual([leftover.pid]);
  expect(isAlive(markOfChild(stranger))).toBe(true);
  expect(isAlive(markOfChild(original))).toBe(true);
});
