import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { AgentContext } from '../../src/agents/base-agent';
import { FAILURES } from '../../src/protocol/failures';
import { LIMITS } from '../../src/protocol/limits';
import type { Step } from '../../src/protocol/plan';
import { planIssues } from '../../src/protocol/plan/problem';
import { anAgent } from '../support/agents';
import { startTeam } from '../support/team';

const page = readFileSync('docs/context.md', 'utf8');

// In lib/, where modules resolve as they do in src/, and which no build or commit takes along.
const folder = resolve('lib', `context-page-${process.pid}`);
beforeAll(() => mkdirSync(folder, { recursive: true }));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('the page has every limit of the context with its value, and every code', () => {
  const told = [...page.matchAll(/^\| [^|]+ \| (\d+) \| `(\w+)` \|$/gm)].map(([, value, name]) => [
    name,
    Number(value),
  ]);
  const limits = Object.entries(LIMITS).filter(([name]) => name.startsWith('context'));
  expect(Object.fromEntries(told) as object).toEqual(Object.fromEntries(limits));
  const codes = Object.keys(FAILURES).filter((code) => code.startsWith('CONTEXT_'));
  for (const code of codes) expect(page).toContain(`\`${code}\``);
});

test('the plan of the page is one that declares merges', () => {
  const plan = JSON.parse(/```json\n(.*?)```/s.exec(page)?.[1] ?? '') as Step;
  expect(planIssues(plan)).toEqual([]);
  expect(Object.keys(plan.context ?? {})).toHaveLength(3);
});

test('agents that take tasks as the page shows take each of them once', async () => {
  const code = /<!-- claims: run by test\/docs -->\s+```ts\n(.*?)```/s.exec(page)?.[1] ?? '';
  writeFileSync(join(folder, 'take-task.ts'), code);
  const compilerOptions = {
    paths: { 'ensemble/agents': [resolve('src/agents/index.ts')] },
    rootDir: resolve('.'),
    types: ['node'],
  };
  const config = { extends: resolve('tsconfig.json'), compilerOptions, include: ['take-task.ts'] };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config));
  execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', folder], { stdio: 'pipe' });
  const { takeTask } = require(join(folder, 'take-task.ts')) as {
    takeTask: (context: AgentContext, tasks: readonly string[]) => Promise<string | undefined>;
  };
  const tasks = ['sweep', 'wash', 'cook'];
  const takes = anAgent('takes', async (_, context) => (await takeTask(context, tasks)) ?? 'nothing');
  await using team = await startTeam([takes]);
  const agents = Array.from({ length: 4 }, () => 'takes');
  const plan = { strategy: 'parallel', agents, aggregate: 'concat' } as const;
  const { output } = await team.client.run({ task: 'Share the work', plan });
  expect((output as unknown as string[]).toSorted()).toEqual(['cook', 'nothing', 'sweep', 'wash']);
});
