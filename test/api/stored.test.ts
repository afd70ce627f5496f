import { createApp } from '../../src/api/app';
import { createLogger } from '../../src/telemetry/log';
import { anAgent } from '../support/agents';
import { scriptedModel } from '../support/scripted-model';
import { startTeam, type Team } from '../support/team';

const log = createLogger({ level: 'silent', format: 'json' });
const quoter = { name: 'quoter', description: 'Quotes prices', prompt: 'You quote prices.' };

let team: Team;
let app: ReturnType<typeof createApp>;
beforeAll(async () => {
  team = await startTeam(
    [anAgent('echo', (task) => ({ said: task.text }))],
    scriptedModel({ text: '7 francs' }),
  );
  app = createApp({ client: team.client, log, ready: () => team.client.ready() });
});
afterAll(() => team[Symbol.asyncDispose]());

async function ask(method: string, path: string, body?: unknown) {
  const response = await app.request(path, {
    method,
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  const type = response.headers.get('content-type');
  return { status: response.status, type, body: text === '' ? null : (JSON.parse(text) as unknown) };
}

test('an agent is defined, run, shown, changed and retired', async () => {
  const created = { name: 'quoter', version: 1, created: true };
  expect(await ask('POST', '/v1/agents', quoter)).toMatchObject({ status: 201, body: created });
  expect(await ask('POST', '/v1/agents', quoter)).toMatchObject({ status: 200, body: { created: false } });
  const started = await ask('POST', '/v1/runs', {
    task: 'How much?',
    plan: { type: 'agent', agent: 'quoter' },
  });
  const { runId } = started.body as { runId: string };
  expect(await team.client.result(runId)).toMatchObject({ output: { text: '7 francs' } });
  expect(await ask('POST', '/v1/agents', { ...quoter, prompt: 'Dearly.' })).toMatchObject({
    status: 201,
    body: { version: 2 },
  });
  expect(await ask('GET', '/v1/agents/quoter')).toMatchObject({ status: 200, body: { version: 2 } });
  expect(await ask('GET', '/v1/agents/quoter?version=1')).toMatchObject({
    body: { version: 1, definition: quoter, retiredAt: null },
  });
  expect(await ask('GET', '/v1/agents')).toMatchObject({
    body: { agents: [{ name: 'quoter', version: 2 }] },
  });
  expect(await ask('DELETE', '/v1/agents/quoter')).toMatchObject({ status: 204, body: null });
  expect(await ask('GET', '/v1/agents/quoter')).toMatchObject({
    status: 404,
    body: { title: 'AGENT_UNKNOWN' },
  });
  expect(await ask('GET', '/v1/agents')).toMatchObject({ body: { agents: [] } });
});

test('a plan is stored, run by its name, and shown in each version', async () => {
  const plan = { strategy: 'sequential', agents: ['echo'] };
  expect(await ask('PUT', '/v1/plans/say', plan)).toMatchObject({ status: 201, body: { version: 1 } });
  expect(await ask('PUT', '/v1/plans/say', plan)).toMatchObject({ status: 200, body: { version: 1 } });
  expect(await ask('PUT', '/v1/plans/say', { ...plan, strategy: 'parallel' })).toMatchObject({ status: 201 });
  const started = await ask('POST', '/v1/runs', {
    task: 'Hello',
    plan: { stored: { name: 'say', version: 1 } },
  });
  expect(started.status).toBe(201);
  const { runId } = started.body as { runId: string };
  expect(await team.client.result(runId)).toMatchObject({ output: { said: 'Hello' } });
  expect(await ask('GET', '/v1/plans')).toMatchObject({ body: { plans: [{ name: 'say', version: 2 }] } });
  expect(await ask('GET', '/v1/plans/say')).toMatchObject({ body: { plan: { type: 'parallel' } } });
  expect(await ask('GET', '/v1/plans/say?version=1')).toMatchObject({ body: { plan: { type: 'sequence' } } });
});

test.each<[string, string, string, unknown, number, string]>([
  ['a body that is no JSON', 'POST', '/v1/agents', 'nonsense', 400, 'INPUT_INVALID'],
  ['a plan that is no JSON', 'PUT', '/v1/plans/p', 'nonsense', 400, 'INPUT_INVALID'],
  ['an unknown agent', 'GET', '/v1/agents/nobody', undefined, 404, 'AGENT_UNKNOWN'],
  ['an unknown version', 'GET', '/v1/agents/nobody?version=9999999999', undefined, 404, 'AGENT_UNKNOWN'],
  ['no version', 'GET', '/v1/agents/nobody?version=one', undefined, 400, 'INPUT_INVALID'],
  ['an agent that is not there to retire', 'DELETE', '/v1/agents/nobody', undefined, 404, 'AGENT_UNKNOWN'],
  ['an unknown plan', 'GET', '/v1/plans/nothing', undefined, 404, 'PLAN_UNKNOWN'],
  ['a plan’s unknown version', 'GET', '/v1/plans/p?version=9999999999', undefined, 404, 'PLAN_UNKNOWN'],
  [
    'an unknown plan to run',
    'POST',
    '/v1/runs',
    { task: 't', plan: { stored: { name: 'x' } } },
    404,
    'PLAN_UNKNOWN',
  ],
])('%s is a problem with its code', async (_, method, path, body, status, code) => {
  const answer = await ask(method, path, body);
  expect(answer).toMatchObject({ status, type: 'application/problem+json', body: { title: code, status } });
});

test.each<[string, string, string, object, string[]]>([
  [
    'definitions',
    'POST',
    '/v1/agents',
    { ...quoter, name: 'echo', prompt: '', tools: ['hammer'] },
    ['name', 'prompt', 'tools.0'],
  ],
  [
    'plans',
    'PUT',
    '/v1/plans/bad',
    { strategy: 'sequential', agents: ['nil', 'echo', 'none'] },
    ['plan.steps[0].agent', 'plan.steps[2].agent'],
  ],
  [
    'requests',
    'POST',
    '/v1/runs',
    { task: '', plan: { type: 'agent', agent: 'nil' }, colour: 'red' },
    ['plan.agent', 'request', 'task'],
  ],
])('everything wrong with %s is told at once, place by place', async (_, method, path, body, paths) => {
  const answer = await ask(method, path, body);
  const { status, detail, problems } = answer.body as {
    status: number;
    detail: string;
    problems: { path: string; message: string; hint: string }[];
  };
  expect(status).toBe(answer.status);
  expect(problems.map((one) => one.path).toSorted()).toEqual(paths);
  for (const { path: place, message, hint } of problems)
    expect(detail).toContain(`${place} ${message} (${hint})`);
});
