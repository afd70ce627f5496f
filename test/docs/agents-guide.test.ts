import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import type { EnsembleClient } from '../../src/client/ensemble-client';
import type { RunResult } from '../../src/protocol/run';
import { scriptedModel } from '../support/scripted-model';
import { startTeam } from '../support/team';

const run = promisify(execFile);
const guide = readFileSync('docs/agents.md', 'utf8');
const FILE = /<!-- file: (\S+) -->\s+```(\w+)\n(.*?)```/gs;
const files = [...guide.matchAll(FILE)].map(([, name = '', , code = '']) => ({ name, code }));

// In lib/, where packages resolve as they do in src/, and which no build or commit takes along.
const folder = resolve('lib', `agents-guide-${process.pid}`);
const entries = {
  ensemble: resolve('client.ts'),
  'ensemble/agents': resolve('src/agents/index.ts'),
  'ensemble/testing': resolve('src/agents/testing/index.ts'),
};

beforeAll(() => {
  mkdirSync(folder, { recursive: true });
  for (const { name, code } of files) writeFileSync(join(folder, name), code);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('every code block of the guide is a file that these tests take', () => {
  expect(files.length).toBeGreaterThan(0);
  expect(guide.match(/^```/gm)).toHaveLength(2 * files.length);
});

test('the code of the guide compiles', async () => {
  const paths = Object.fromEntries(Object.entries(entries).map(([name, file]) => [name, [file]]));
  const compilerOptions = { paths, rootDir: resolve('.'), types: ['node', 'jest'], resolveJsonModule: true };
  const config = { extends: resolve('tsconfig.json'), compilerOptions, include: ['*.ts', '*.json'] };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config));
  const compiled = await run(process.execPath, ['node_modules/typescript/bin/tsc', '-p', folder]).catch(
    (error: unknown) => error as { stdout: string },
  );
  expect(compiled.stdout).toBe('');
});

test('the tests of the guide pass', async () => {
  const { transform } = require('../../jest.config.js') as { transform: Record<string, unknown> };
  const mapped = Object.entries(entries).map(([name, file]) => [`^${name}$`, file]);
  const config = { rootDir: folder, transform, moduleNameMapper: Object.fromEntries(mapped) as object };
  const args = ['node_modules/jest/bin/jest.js', '--config', JSON.stringify(config), '--json', '--runInBand'];
  const { stdout } = await run(process.execPath, args);
  expect(JSON.parse(stdout)).toMatchObject({ success: true, numPassedTests: 5, numTotalTests: 5 });
});

test('the agent of the guide is defined through the client, and runs', async () => {
  const { quote } = require(join(folder, 'define-quoter.ts')) as {
    quote: (ensemble: EnsembleClient, task: string) => Promise<RunResult>;
  };
  await using team = await startTeam(
    [],
    scriptedModel(
      { toolCalls: [{ id: 'a', name: 'calculator', arguments: { expression: '3 * 4.5' } }] },
      { text: '13.50 francs' },
      { text: '{"total": 13.5, "currency": "CHF"}' },
    ),
  );
  expect(await quote(team.client, 'What do 3 at 4.5 cost?')).toMatchObject({
    status: 'completed',
    output: { total: 13.5, currency: 'CHF' },
  });
});
