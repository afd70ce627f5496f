import { readFileSync } from 'node:fs';
import type { AgentContext } from '../../src/agents/base-agent';
import { FAILURES } from '../../src/protocol/failures';
import { LIMITS } from '../../src/protocol/limits';
import type { Step } from '../../src/protocol/plan';
import { planIssues } from '../../src/protocol/plan/problem';
import { anAgent } from '../support/agents';
import { startTeam } from '../support/team';
import { pageCode } from './support/page-code';

const page = readFileSync('docs/context.md', 'utf8');

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
  using code = pageCode<{
    takeTask: (context: AgentContext, tasks: readonly string[]) => Promise<string | undefined>;
  }>('docs/context.md', 'claims');
  const { takeTask } = code.exports;
  const tasks = ['sweep', 'wash', 'cook'];
  const takes = anAgent('takes', async (_, context) => (await takeTask(context, tasks)) ?? 'nothing');
  await using team = await startTeam([takes]);
  const agents = Array.from({ length: 4 }, () => 'takes');
  const plan = { strategy: 'parallel', agents, aggregate: 'concat' } as const;
  const { output } = await team.client.run({ task: 'Share the work', plan });
  expect((output as unknown as string[]).toSorted()).toEqual(['cook', 'nothing', 'sweep', 'wash']);
});
