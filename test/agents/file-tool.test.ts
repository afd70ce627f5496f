import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readWithin } from '../../src/agents/tools/files/file-read';
import { toolsNamed } from '../../src/agents/tools';
import { callTool } from '../../src/agents/tools/tool';
import { temporaryFolder } from '../support/team';
import { aTask, fakeContext } from './fake-context';

const folder = temporaryFolder('ensemble-files');
const root = join(folder.path, 'open');

beforeAll(() => {
  mkdirSync(join(root, 'reports'), { recursive: true });
  mkdirSync(join(folder.path, 'open-too'));
  writeFileSync(join(folder.path, 'secret.txt'), 'secret');
  writeFileSync(join(folder.path, 'open-too', 'secret.txt'), 'secret');
  writeFileSync(join(root, 'reports', 'may.txt'), 'Grüezi');
  writeFileSync(join(root, 'bytes'), Buffer.from([0xff, 0, 1]));
  writeFileSync(join(root, 'big'), 'x'.repeat(512 * 1024 + 1));
  writeFileSync(join(root, 'fits'), 'x'.repeat(512 * 1024));
  symlinkSync('reports/may.txt', join(root, 'link-in'));
  symlinkSync('../secret.txt', join(root, 'link-out'));
  symlinkSync('..', join(root, 'folder-out'));
  symlinkSync('link-loop', join(root, 'link-loop'));
  execFileSync('mkfifo', [join(root, 'pipe')]);
});
afterAll(() => folder[Symbol.dispose]());

test.each([
  ['reports/may.txt', 'text', 'Grüezi'],
  ['./reports/../reports/may.txt', 'text', 'Grüezi'],
  ['link-in', 'text', 'Grüezi'],
  ['bytes', 'base64', '/wAB'],
] as const)('reads %s as %s', async (path, encoding, content) => {
  expect(await readWithin(root, path, encoding)).toBe(content);
});

test('reads a file up to its bound, whole', async () => {
  expect(await readWithin(root, 'fits', 'text')).toHaveLength(512 * 1024);
});

test.each([
  ['../secret.txt', 'INPUT_INVALID'],
  ['reports/../../secret.txt', 'INPUT_INVALID'],
  ['../open-too/secret.txt', 'INPUT_INVALID'],
  ['../nothing-there', 'INPUT_INVALID'],
  ['/etc/passwd', 'INPUT_INVALID'],
  ['link-out', 'INPUT_INVALID'],
  ['folder-out/secret.txt', 'INPUT_INVALID'],
  ['folder-out', 'INPUT_INVALID'],
  ['reports', 'INPUT_INVALID'],
  ['', 'INPUT_INVALID'],
  ['pipe', 'INPUT_INVALID'],
  ['link-loop', 'INPUT_UNREADABLE'],
  ['nothing', 'INPUT_UNREADABLE'],
  ['bytes', 'INPUT_UNREADABLE'],
  ['nul\0byte', 'INPUT_UNREADABLE'],
  ['big', 'INPUT_TOO_LARGE'],
])('refuses %j: %s', async (path, code) => {
  const refusal = await readWithin(root, path, 'text').catch((error: unknown) => error);
  expect(refusal).toMatchObject({ code });
  expect(String(refusal)).not.toContain(folder.path);
});

test('no folder is open unless the operator opens one', async () => {
  const given = { call: { id: 'a', name: 'file-read', arguments: { path: 'reports/may.txt' } }, step: '1.1' };
  const tools = toolsNamed(['file-read']);
  const closed = await callTool(tools, given, { task: aTask(), context: fakeContext().context });
  expect(closed).toMatchObject({ failed: true, text: expect.stringContaining('ENSEMBLE_FILES_ROOT') });
  const { context } = fakeContext({ host: { filesRoot: root } });
  const rest = { ...given.call, arguments: { path: 'reports/may.txt', from: 4 } };
  expect(await callTool(tools, { call: rest, step: '2.1' }, { task: aTask(), context })).toMatchObject({
    text: 'zi',
  });
  expect(await callTool(tools, given, { task: aTask(), context })).toMatchObject({
    text: 'Grüezi',
    failed: false,
  });
});
