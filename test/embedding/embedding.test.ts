import { execFile } from 'node:child_process';
import { cpSync, readdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { anAgent } from '../support/agents';
import { startTeam, temporaryFolder, type Team } from '../support/team';

jest.setTimeout(300_000);

const run = promisify(execFile);
const folder = temporaryFolder('ensemble-embedding');
let team: Team;

/** Somebody's empty project, with the packed tarball installed as npm installs it. */
beforeAll(async () => {
  team = await startTeam([anAgent('echo', (task) => ({ said: task.text }))]);
  await run('npm', ['pack', '--ignore-scripts', '--pack-destination', folder.path]);
  const tarball = readdirSync(folder.path).find((name) => name.endsWith('.tgz')) ?? '';
  writeFileSync(
    join(folder.path, 'package.json'),
    JSON.stringify({ name: 'somebodys-service', private: true }),
  );
  await run('npm', ['install', '--prefer-offline', '--omit=dev', '--ignore-scripts', `./${tarball}`], {
    cwd: folder.path,
  });
  cpSync(resolve('examples/embedding'), folder.path, { recursive: true });
});
afterAll(async () => {
  await team[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

const node = (file: string, args: readonly string[], more: Record<string, string> = {}) =>
  run(process.execPath, [file, ...args], {
    cwd: folder.path,
    env: { PATH: process.env['PATH'], ...team.environment, ...more },
  });

test('the documented service runs against a worker', async () => {
  const { stdout, stderr } = await node('service.js', ['From elsewhere', 'echo']);
  expect(JSON.parse(stdout)).toEqual({ status: 'completed', output: { said: 'From elsewhere' } });
  expect(stderr).toMatch(/1 run\.accepted[\s\S]*agent\.completed echo[\s\S]*run\.completed/);
});

test('the worker part runs in somebody\u2019s own Temporal worker, beside their workflow', async () => {
  const { stdout } = await node('own-worker.js', [], { ENSEMBLE_TASK_QUEUE: `own-${crypto.randomUUID()}` });
  const answers = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as object;
  expect(answers).toMatchObject({
    greeting: 'Hello you',
    status: 'completed',
    output: { text: expect.stringMatching(/wheat/i) },
  });
});
