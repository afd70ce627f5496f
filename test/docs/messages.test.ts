import { readFileSync } from 'node:fs';
import type { AgentClass } from '../../src/agents/base-agent';
import { LIMITS } from '../../src/protocol/limits';
import { until } from '../support/kills/until';
import { startTeam } from '../support/team';
import { pageCode } from './support/page-code';

test('the page says how often an agent may lie down', () => {
  const page = readFileSync('docs/messages.md', 'utf8');
  const told = /\(`turnsPerAgentRun`\) \| ([\d,]+) \|/.exec(page)?.[1];
  expect(Number(told?.replace(',', ''))).toBe(LIMITS.turnsPerAgentRun);
});

test('the agent of the page sleeps until it is signed, and writes its draft once', async () => {
  using code = pageCode<{ SignOff: AgentClass }>('docs/messages.md', 'long waits');
  await using team = await startTeam([code.exports.SignOff]);
  const plan = { type: 'agent', agent: 'sign-off' } as const;
  const { runId } = await team.client.start({ task: 'a letter', plan });
  const events = async () => {
    const { rows } = await team.admin.query<{ type: string }>(
      'select type from ensemble.run_events where run_id = $1',
      [runId],
    );
    return rows.map(({ type }) => type);
  };
  await until(async () => (await events()).includes('agent.asleep'));
  await team.client.messages.send(runId, { to: 'sign-off', content: 'signed' });
  const { output } = await team.client.result(runId);
  expect(output).toEqual({ draft: 'Draft of a letter', signed: true });
});
