import { createApp } from '../../src/api/app';
import type { RunEvent } from '../../src/protocol/event';
import { createLogger } from '../../src/telemetry/log';
import { anAgent } from '../support/agents';
import { startTeam, type Team } from '../support/team';

const log = createLogger({ level: 'silent', format: 'json' });
const plan = { strategy: 'sequential', agents: ['echo'] };

let team: Team;
let app: ReturnType<typeof createApp>;
beforeAll(async () => {
  team = await startTeam([anAgent('echo', (task) => ({ said: task.text }))]);
  app = createApp({ client: team.client, log, ready: () => team.client.ready() });
});
afterAll(() => team[Symbol.asyncDispose]());

const post = (body: unknown, headers: Record<string, string> = {}) =>
  app.request('/v1/runs', {
    method: 'POST',
    body: typeof body === 'string' ? body : JSON.stringify(body),
    headers,
  });

async function start(task: string): Promise<string> {
  const response = await post({ task, plan });
  expect(response.status).toBe(201);
  const { runId } = (await response.json()) as { runId: string };
  return runId;
}

test('a run is started, followed by its events, and read with its result', async () => {
  const runId = await start('Over HTTP');
  const stream = await app.request(`/v1/runs/${runId}/events`);
  expect(stream.headers.get('content-type')).toMatch(/text\/event-stream/);
  const events = (await stream.text())
    .split('\n')
    .filter((line) => line.startsWith('data: '))
    .map((line) => JSON.parse(line.slice(6)) as RunEvent);
  expect(events.map(({ seq }) => seq)).toEqual(events.map((_, i) => i + 1));
  expect(events.at(-1)?.type).toBe('run.completed');
  const resumed = await app.request(`/v1/runs/${runId}/events`, { headers: { 'Last-Event-ID': '2' } });
  expect((await resumed.text()).match(/^id: (\d+)/m)?.[1]).toBe('3');
  const run = (await (await app.request(`/v1/runs/${runId}`)).json()) as object;
  expect(run).toMatchObject({ runId, status: 'completed', output: { said: 'Over HTTP' } });
});

test('one idempotency key is one run, and another body under it is refused', async () => {
  const headers = { 'Idempotency-Key': 'http-1' };
  const first = await post({ task: 'Once', plan }, headers);
  const second = await post({ task: 'Once', plan }, headers);
  expect([first.status, second.status]).toEqual([201, 200]);
  const [a, b] = [(await first.json()) as { runId: string }, (await second.json()) as { runId: string }];
  expect(a.runId).toBe(b.runId);
  expect((await post({ task: 'Twice', plan }, headers)).status).toBe(422);
});

test.each([
  ['no JSON', 'nonsense', 400, 'INPUT_INVALID'],
  ['no object', '[]', 400, 'INPUT_INVALID'],
  ['an empty task', { task: '', plan }, 400, 'INPUT_INVALID'],
  ['an unknown field', { task: 't', plan, colour: 'red' }, 400, 'INPUT_INVALID'],
  ['an unknown agent', { task: 't', plan: { ...plan, agents: ['nobody'] } }, 404, 'AGENT_UNKNOWN'],
  ['a body too large', { task: 'x'.repeat(1_100_000), plan }, 413, 'INPUT_TOO_LARGE'],
])('%s is a problem with its code and a way out', async (_, body, status, code) => {
  const response = await post(body);
  expect(response.status).toBe(status);
  expect(response.headers.get('content-type')).toBe('application/problem+json');
  expect(await response.json()).toMatchObject({ status, title: code, detail: expect.any(String) });
});

test('what is not there is 404, whatever is asked of it', async () => {
  const id = crypto.randomUUID();
  for (const path of [`/v1/runs/${id}`, `/v1/runs/${id}/events`, '/v1/runs/nonsense', '/elsewhere'])
    expect((await app.request(path)).status).toBe(404);
  expect((await app.request(`/v1/runs/${id}/cancel`, { method: 'POST' })).status).toBe(404);
});

test('health is cheap, readiness asks PostgreSQL and Temporal', async () => {
  expect(await (await app.request('/healthz')).json()).toEqual({ status: 'ok' });
  expect(await (await app.request('/readyz')).json()).toEqual({ status: 'ready' });
});

test('with a token, nothing under /v1 answers without it, and no answer tells how it differs', async () => {
  const token = 'a-token-of-at-least-thirty-two-characters';
  const guarded = createApp({ client: team.client, log, ready: () => Promise.resolve(), token });
  for (const authorization of ['', 'Bearer ', 'Bearer wrong', token])
    expect((await guarded.request('/v1/runs', { headers: { Authorization: authorization } })).status).toBe(
      401,
    );
  expect((await guarded.request('/v1/runs', { headers: { Authorization: `Bearer ${token}` } })).status).toBe(
    200,
  );
  expect((await guarded.request('/healthz')).status).toBe(200);
});
