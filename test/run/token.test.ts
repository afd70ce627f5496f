import { anAgent } from '../support/agents';
import { historyOf, textsIn } from '../support/kills/history';
import { startTeam, type Team } from '../support/team';

/** What an agent run's attempts could read of what came before, by run. */
const reads = new Map<string, unknown[]>();
const gates = new Map<string, () => void>();

const agents = [
  anAgent('writer', () => 'written'),
  anAgent('overtaken', async ({ previous: [first] }, { runId, attempt }) => {
    const outcomes = reads.get(runId) ?? [];
    reads.set(runId, outcomes);
    if (attempt === 1) {
      outcomes.push(await first?.read());
      await new Promise<void>((open) => gates.set(runId, open));
    }
    outcomes.push(await first?.read().catch((error: unknown) => error));
    return 'read';
  }),
];

let team: Team;
beforeAll(async () => {
  team = await startTeam(agents);
});
afterAll(async () => {
  await team[Symbol.asyncDispose]();
});

const plan = {
  type: 'sequence' as const,
  steps: [
    { type: 'agent' as const, agent: 'writer' },
    { type: 'agent' as const, agent: 'overtaken', retry: { maxAttempts: 2, initialIntervalMs: 20 } },
  ],
};

async function begun(): Promise<string> {
  const { runId } = await team.client.start({ task: 'Read', plan });
  for await (const { type, agent } of team.client.events(runId))
    if (type === 'agent.started' && agent === 'overtaken') break;
  while (!gates.has(runId)) await new Promise((resolve) => setTimeout(resolve, 20));
  return runId;
}

async function tokensOf(runId: string): Promise<string[]> {
  const { rows } = await team.admin.query<{ hash: string }>(
    'select token_hash as hash from ensemble.agent_runs where run_id = $1 and token_hash is not null',
    [runId],
  );
  return rows.map(({ hash }) => hash);
}

test('what an attempt may read of earlier outputs ends with its token', async () => {
  const runId = await begun();
  // As a later attempt does when it opens.
  await team.admin.query(
    "update ensemble.agent_runs set token_hash = 'another' where run_id = $1 and address = '2'",
    [runId],
  );
  gates.get(runId)?.();
  await team.client.result(runId);
  expect(reads.get(runId)).toEqual([
    'written',
    expect.objectContaining({ code: 'ATTEMPT_FENCED' }),
    'written',
  ]);
  expect(await team.client.result(runId)).toMatchObject({ status: 'completed' });
});

test('the token of an agent run is in its row alone: in no history, no event, no result', async () => {
  const runId = await begun();
  const [token = '', ...others] = await tokensOf(runId);
  expect(token).toMatch(/^[0-9a-f]{64}$/);
  expect(others).toEqual([]);
  gates.get(runId)?.();
  const result = await team.client.result(runId);
  expect(result.status).toBe('completed');
  expect(await tokensOf(runId)).toEqual([]);
  const texts = textsIn(await historyOf(team.temporal, runId));
  expect(texts).toContain('2 overtaken');
  expect(texts).not.toContain(token);
  const { rows } = await team.admin.query('select * from ensemble.run_events where run_id = $1', [runId]);
  expect(rows.length).toBeGreaterThan(5);
  expect(JSON.stringify([rows, result])).not.toContain(token);
});
