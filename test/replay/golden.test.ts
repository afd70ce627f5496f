import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bundleWorkflows } from '../../src/runtime/bundle';
import { temporaryFolder } from '../support/team';
import { goldenHistories, goldenNames, HISTORIES, replayProblems } from './support/histories';
import { quietRuntime } from './support/quiet-runtime';
import { SCENARIOS } from './support/scenarios';

beforeAll(quietRuntime);

const { problemsOf } = jest.requireActual<{ problemsOf: (folder?: string) => string[] }>(
  '../../scripts/golden-histories.js',
);

test('every workflow and strategy has a history that was recorded once', () => {
  const names = new Set(goldenNames());
  expect(Object.keys(SCENARIOS).filter((name) => !names.has(name))).toEqual([]);
});

test('whatever runs have lived through, this code goes on with', async () => {
  expect(await replayProblems(await bundleWorkflows(), goldenHistories())).toEqual([]);
}, 120_000);

test('a change that runs under way would not survive is found out', async () => {
  const changed = await bundleWorkflows(require.resolve('./support/changed-workflows'));
  const problems = await replayProblems(changed, goldenHistories().slice(0, 3));
  expect(problems).toHaveLength(3);
  for (const problem of problems) expect(problem).toMatch(/nondeterminism|\[TMPRL1100\]/i);
}, 120_000);

test('the same change behind a patch is survived', async () => {
  const patched = await bundleWorkflows(require.resolve('./support/patched-workflows'));
  expect(await replayProblems(patched, goldenHistories())).toEqual([]);
}, 120_000);

test('a history that is edited, lost, or nobody knows of, is found out', () => {
  expect(problemsOf()).toEqual([]);
  using folder = temporaryFolder('ensemble-histories');
  cpSync(HISTORIES, folder.path, { recursive: true });
  expect(problemsOf(folder.path)).toEqual([]);
  const [first = ''] = readdirSync(folder.path, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.json'))
    .toSorted();
  const file = join(folder.path, first);
  writeFileSync(file, readFileSync(file, 'utf8').replace('base64', 'base65'));
  expect(problemsOf(folder.path)).toEqual([expect.stringContaining(`${first} was edited`)]);
  writeFileSync(join(folder.path, 'new.json'), '{}');
  expect(problemsOf(folder.path)).toContainEqual(expect.stringContaining('new.json is not in SHA256SUMS'));
});
