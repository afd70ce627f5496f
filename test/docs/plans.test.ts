import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describeAgent } from '../../src/agents/describe';
import { loadAgents } from '../../src/agents/loader';
import type { EnsembleClient } from '../../src/client/ensemble-client';
import { expandPlan, planProblems, type Catalogue } from '../../src/core/plan';
import type { AgentSchemas } from '../../src/core/plan/problem';
import { LIMITS } from '../../src/protocol/limits';
import type { PlanShorthand, Step } from '../../src/protocol/plan';
import { planIssues } from '../../src/protocol/plan/problem';
import type { RunResult } from '../../src/protocol/run';
import { anAgent } from '../support/agents';
import { startTeam } from '../support/team';

const page = readFileSync('docs/plans.md', 'utf8');
const examples = [...page.matchAll(/```json\n(.*?)```/gs)].map(([, text = '']) => text);

// In lib/, where modules resolve as they do in src/, and which no build or commit takes along.
const folder = resolve('lib', `plans-page-${process.pid}`);
beforeAll(() => mkdirSync(folder, { recursive: true }));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let catalogue: Catalogue;
beforeAll(async () => {
  const { agents } = await loadAgents({ folders: ['src/agents/built-in'], extensions: ['.ts'] });
  const schemas = [...agents].map(([name, { manifest }]): [string, AgentSchemas] => [
    name,
    describeAgent(manifest),
  ]);
  catalogue = { agents: new Map(schemas) };
});

function problemsOf(plan: PlanShorthand | Step): string[] {
  const problems = [...planIssues(plan), ...planProblems(expandPlan(plan), catalogue)];
  return problems.map(({ path, message, hint }) => `${path} ${message} (${hint})`);
}

test('every example of the page is a plan that may start', () => {
  expect(examples.length).toBeGreaterThan(9);
  expect(examples.flatMap((text) => problemsOf(JSON.parse(text)))).toEqual([]);
});

test('every problem that the page shows reads as it does there', () => {
  const steps = ['react', 'evaluator', 'summarizer'].map((agent) => ({ type: 'agent', agent }) as const);
  const [first, second, third] = steps;
  if (first === undefined || second === undefined || third === undefined) throw new Error('three steps');
  const when = { op: 'eq', pointer: '/last/verdikt', value: 'pass' } as const;
  const found = [
    ...problemsOf({ type: 'sequence', steps: [first, second, { ...third, when }] }),
    ...problemsOf({
      type: 'adaptive',
      options: [
        { id: 'write', step: first },
        { id: 'check', step: second },
      ],
      router: { by: 'rules', rules: [], otherwise: 'finish' },
      first: 'write',
    }),
  ];
  const shown = /```text\n(.*?)```/s.exec(page)?.[1] ?? '';
  expect(found.join('\n')).toBe(shown.trim());
});

test('the stored plan of the page is saved, and runs by its name', async () => {
  const code = /<!-- stored plan: run by test\/docs -->\s+```ts\n(.*?)```/s.exec(page)?.[1] ?? '';
  writeFileSync(join(folder, 'nightly.ts'), code);
  const compilerOptions = {
    paths: { ensemble: [resolve('client.ts')] },
    rootDir: resolve('.'),
    types: ['node'],
  };
  const config = { extends: resolve('tsconfig.json'), compilerOptions, include: ['nightly.ts'] };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config));
  execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', folder], { stdio: 'pipe' });
  const { nightly } = require(join(folder, 'nightly.ts')) as {
    nightly: (ensemble: EnsembleClient, task: string) => Promise<RunResult>;
  };
  await using team = await startTeam([
    anAgent('react', (task) => task.text.toUpperCase()),
    anAgent('summarizer', async ({ previous }) => ({ short: await previous[0]?.read() })),
  ]);
  for (const task of ['once', 'twice'])
    expect(await nightly(team.client, task)).toMatchObject({ output: { short: task.toUpperCase() } });
  expect(await team.client.plans.list()).toMatchObject([{ name: 'nightly', version: 1 }]);
});

test('the page has every limit of plans with its value', () => {
  const rows = [...page.matchAll(/^\| [^|]+ \| (\d+) \| `(\w+)` \|$/gm)];
  expect(rows.length).toBeGreaterThan(15);
  for (const [, value, name = ''] of rows) expect([name, Number(value)]).toEqual([name, ofLimits(name)]);
});

function ofLimits(name: string): number | undefined {
  return new Map<string, number>(Object.entries(LIMITS)).get(name);
}
