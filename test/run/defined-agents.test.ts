import { createClient } from '../../src/client/connect';
import type { EnsembleClient } from '../../src/client/ensemble-client';
import { createRepositories, type Repositories } from '../../src/db/repositories';
import type { ModelRequest } from '../../src/llm/port';
import type { AgentDefinitionInput } from '../../src/protocol/agent-definition';
import { AppError, type Problem } from '../../src/protocol/failures';
import { loadConfig } from '../../src/config';
import type { Step } from '../../src/protocol/plan';
import { LOCAL_TENANT_ID } from '../../src/protocol/run';
import { createWorker } from '../../src/runtime/worker';
import { createLogger } from '../../src/telemetry/log';
import { anAgent } from '../support/agents';
import { startProviderServer } from '../support/provider-server/server';
import { scriptedModel } from '../support/scripted-model';
import { startTeam, type Team } from '../support/team';

const QUOTER: AgentDefinitionInput = {
  name: 'quoter',
  description: 'Quotes a price',
  prompt: 'You quote prices.',
  tools: ['calculator'],
  input: { type: 'object', properties: { currency: { enum: ['CHF', 'EUR'] } }, required: ['currency'] },
  output: { type: 'object', properties: { total: { type: 'number' } }, required: ['total'] },
};
const PLAIN: AgentDefinitionInput = { name: 'plain', description: 'Answers', prompt: 'You answer plainly.' };

/** Runs that stand at the gate, by run. */
const gates = new Map<string, () => void>();
const gate = anAgent('gate', async (_task, { runId }) => {
  await new Promise<void>((open) => gates.set(runId, open));
  return 'open';
});

async function opened(runId: string): Promise<void> {
  while (!gates.has(runId)) await new Promise((resolve) => setTimeout(resolve, 20));
  gates.get(runId)?.();
}

/** Computes with the calculator when it is told to quote, and says which prompt it was given otherwise. */
function reply(request: ModelRequest) {
  const prompt = request.system?.split('\n', 1)[0] ?? '';
  if (!prompt.startsWith('You quote')) return { text: prompt };
  if (request.schema !== undefined) return { text: '{"total": 13.5}' };
  const asked = request.messages.some(({ role }) => role === 'tool');
  return asked
    ? { text: '13.50' }
    : { toolCalls: [{ id: 'a', name: 'calculator', arguments: { expression: '3 * 4.5' } }] };
}

let team: Team;
let repositories: Repositories;
const model = scriptedModel(...Array.from({ length: 500 }, () => reply));
beforeAll(async () => {
  team = await startTeam([gate, anAgent('echo', (task) => ({ said: task.text }))], model);
  repositories = createRepositories(team.admin);
});
afterAll(() => team[Symbol.asyncDispose]());

async function anotherTenant(): Promise<EnsembleClient> {
  const tenantId = await repositories.tenants.create('another');
  const projectId = await repositories.projects.create(tenantId, 'theirs');
  return createClient({ environment: team.environment, tenantId, projectId });
}

async function problemsOf(work: Promise<unknown>): Promise<readonly Problem[]> {
  const error: unknown = await work.then(
    () => new Error('nothing was refused'),
    (cause: unknown) => cause,
  );
  if (AppError.is(error)) return error.problems;
  throw error;
}

test('an agent made of data works in a team with its tools, on a worker that never heard of it', async () => {
  expect(await team.client.agents.define(QUOTER)).toEqual({ name: 'quoter', version: 1, created: true });
  const result = await team.client.run({
    task: 'What do 3 at 4.5 cost?',
    plan: {
      type: 'sequence',
      steps: [
        { type: 'agent', agent: 'echo' },
        { type: 'agent', agent: 'quoter', input: { currency: 'CHF' } },
      ],
    },
  });
  expect(result).toMatchObject({ status: 'completed', failure: null, output: { total: 13.5 } });
  const told = model.requests.flatMap(({ messages }) => messages.filter(({ role }) => role === 'tool'));
  expect(told).toMatchObject([{ text: '13.5' }, { text: '13.5' }]);
  const rows = await team.admin.query(
    'select agent, version from ensemble.agent_runs where run_id = $1 order by 1',
    [result.runId],
  );
  expect(rows.rows).toEqual([
    { agent: 'echo', version: '1.0.0' },
    { agent: 'quoter', version: '1.0.0' },
  ]);
});

test('the same definition again is the same version; a run under way keeps the one it pinned', async () => {
  const { agents } = team.client;
  expect(await agents.define(PLAIN)).toMatchObject({ version: 1, created: true });
  const plan = { strategy: 'sequential' as const, agents: ['gate', 'plain'] };
  const { runId } = await team.client.start({ task: 'Wait', plan });
  expect(await agents.define({ ...PLAIN, prompt: 'You answer at length.' })).toMatchObject({ version: 2 });
  expect(await agents.define({ ...PLAIN, prompt: 'You answer at length.' })).toMatchObject({
    version: 2,
    created: false,
  });
  await opened(runId);
  expect(await team.client.result(runId)).toMatchObject({ output: { text: 'You answer plainly.' } });
  const next = await team.client.run({ task: 'Go', plan: { type: 'agent', agent: 'plain' } });
  expect(next).toMatchObject({ output: { text: 'You answer at length.' } });
  expect(await agents.get('plain')).toMatchObject({ version: 2, retiredAt: null });
  expect((await agents.get('plain', 1)).definition).toMatchObject({ ...PLAIN, maxSteps: 8, tools: [] });
  expect(await agents.list()).toEqual(expect.arrayContaining([await agents.get('plain')]));
});

test('a child run works with the version that its parent pinned', async () => {
  const { agents } = team.client;
  await agents.define({ ...PLAIN, name: 'inherited' });
  const steps: Step[] = [
    { type: 'agent', agent: 'gate' },
    { type: 'run', plan: { type: 'agent', agent: 'inherited' } },
  ];
  const { runId } = await team.client.start({ task: 'Wait', plan: { type: 'sequence', steps } });
  await agents.define({ ...PLAIN, name: 'inherited', prompt: 'You answer at length.' });
  await opened(runId);
  expect(await team.client.result(runId)).toMatchObject({ output: { text: 'You answer plainly.' } });
});

test('a retired agent starts no new run, and ends no run that has pinned it', async () => {
  const { agents } = team.client;
  await agents.define({ ...PLAIN, name: 'leaving' });
  const plan = { strategy: 'sequential' as const, agents: ['gate', 'leaving'] };
  const { runId } = await team.client.start({ task: 'Wait', plan });
  await agents.retire('leaving');
  await agents.retire('leaving');
  await expect(team.client.start({ task: 'Late', plan })).rejects.toMatchObject({
    code: 'AGENT_UNKNOWN',
    problems: [{ path: 'plan.steps[1].agent', hint: expect.not.stringContaining('leaving') }],
  });
  await opened(runId);
  expect(await team.client.result(runId)).toMatchObject({ output: { text: 'You answer plainly.' } });
  await expect(agents.get('leaving')).rejects.toMatchObject({ code: 'AGENT_UNKNOWN' });
  expect((await agents.get('leaving', 1)).retiredAt).not.toBeNull();
  await expect(agents.retire('nobody')).rejects.toMatchObject({ code: 'AGENT_UNKNOWN' });
  expect(await agents.define({ ...PLAIN, name: 'leaving' })).toMatchObject({ version: 2 });
});

test('another tenant neither sees it nor runs it, and has its own under the same name', async () => {
  await team.client.agents.define({ ...PLAIN, name: 'ours' });
  await using theirs = await anotherTenant();
  expect(await theirs.agents.list()).toEqual([]);
  await expect(theirs.agents.get('ours')).rejects.toMatchObject({ code: 'AGENT_UNKNOWN' });
  await expect(theirs.agents.get('ours', 1)).rejects.toMatchObject({ code: 'AGENT_UNKNOWN' });
  await expect(theirs.agents.retire('ours')).rejects.toMatchObject({ code: 'AGENT_UNKNOWN' });
  const request = { task: 'Hello', plan: { type: 'agent' as const, agent: 'ours' } };
  await expect(theirs.start(request)).rejects.toMatchObject({
    code: 'AGENT_UNKNOWN',
    problems: [{ hint: 'known agents: echo, gate' }],
  });
  await theirs.agents.define({ ...PLAIN, name: 'ours', prompt: 'You answer them.' });
  expect(await theirs.run(request)).toMatchObject({ output: { text: 'You answer them.' } });
  expect(await team.client.run(request)).toMatchObject({ output: { text: 'You answer plainly.' } });
});

test('a name belongs to the agent of a worker, whichever came first', async () => {
  await expect(problemsOf(team.client.agents.define({ ...PLAIN, name: 'echo' }))).resolves.toEqual([
    { path: 'name', message: '"echo" is an agent of the workers already', hint: 'choose another name' },
  ]);
  await team.client.agents.define({ ...PLAIN, name: 'early' });
  const request = { task: 'Hello', plan: { type: 'agent' as const, agent: 'early' } };
  const before = await team.client.run(request);
  const [manifest] = (await repositories.agents.list()).filter(({ name }) => name === 'echo');
  await repositories.agents.upsert({ ...manifest, name: 'early', version: '7.0.0' } as never);
  // A client that has not looked into the catalogue yet.
  await using fresh = await createClient({ environment: team.environment });
  const { runId: after } = await fresh.start(request);
  await fresh.cancel(after);
  const pinned = await Promise.all(
    [before.runId, after].map((runId) => repositories.runs.find(LOCAL_TENANT_ID, runId)),
  );
  expect(pinned.map((row) => row?.agents)).toMatchObject([
    [{ version: '1.0.0', defined: 1 }],
    [{ version: '7.0.0' }],
  ]);
  expect(pinned[1]?.agents[0]).not.toHaveProperty('defined');
});

describe('the model that a definition asks for', () => {
  const asking = (name: string, provider: string): AgentDefinitionInput => ({
    ...PLAIN,
    name,
    model: { provider, model: 'model-7' },
  });

  test('is called in place of the worker’s, with the worker’s own key', async () => {
    await using server = await startProviderServer({
      keys: ['the-key'],
      script: [{ text: 'From model seven.' }],
    });
    const settings = { OPENAI_BASE_URL: server.openAiUrl, OPENAI_API_KEY: 'the-key' };
    await using other = await anotherWorker(settings);
    await other.agents.define(asking('seven', 'openai-compatible'));
    const result = await other.run({ task: 'Hello', plan: { type: 'agent', agent: 'seven' } });
    expect(result).toMatchObject({ status: 'completed', output: { text: 'From model seven.' } });
    expect(server.requests.map(({ body }) => body['model'])).toEqual(['model-7']);
    expect(await other.modelCalls(result.runId)).toMatchObject([
      { provider: 'openai-compatible', model: 'model-7', failure: null },
    ]);
  });

  test.each([
    [
      'without-key',
      'anthropic',
      /asks for model-7 of anthropic.*ANTHROPIC_API_KEY must be set.*leave "model" out/,
    ],
    ['without-provider', 'oracle', /there is no provider oracle; there are anthropic, openai/],
  ])('%s fails once, saying what to do', async (name, provider, message) => {
    await team.client.agents.define(asking(name, provider));
    const result = await team.client.run({ task: 'Hello', plan: { type: 'agent', agent: name } });
    expect(result).toMatchObject({
      status: 'failed',
      failure: { code: 'CONFIG_INVALID', message: expect.stringMatching(message) },
      agents: [{ attempts: 1 }],
    });
  });
});

/** A worker and a client on a queue of their own, on the team's database. */
async function anotherWorker(settings: Readonly<Record<string, string>>) {
  const environment = {
    ...team.environment,
    ...settings,
    ENSEMBLE_TASK_QUEUE: `test-${crypto.randomUUID()}`,
  };
  const config = loadConfig(environment);
  const log = createLogger({ level: config.ENSEMBLE_LOG_LEVEL, format: 'json' });
  const provider = scriptedModel();
  const worker = await createWorker({
    config,
    environment,
    log,
    agents: { agents: new Map(), problems: [] },
    model: { provider, why: 'given by the test' },
  });
  const running = worker.run();
  const client = await createClient({ environment });
  const close = client[Symbol.asyncDispose].bind(client);
  return Object.assign(client, {
    async [Symbol.asyncDispose]() {
      await close();
      worker.shutdown();
      await running;
      await worker[Symbol.asyncDispose]();
    },
  });
}

const property = (schema: object) => ({ type: 'object', properties: { x: schema } });

describe('a bad definition is refused with the place and the way out', () => {
  test.each<[string, object, string, RegExp]>([
    ['no name', { name: undefined }, 'name', /such as/],
    ['a name in capitals', { name: 'Quoter' }, 'name', /such as/],
    ['a name too long', { name: 'x'.repeat(65) }, 'name', /such as/],
    ['no description', { description: undefined }, 'description', /in a sentence/],
    ['a description too long', { description: 'x'.repeat(501) }, 'description', /in a sentence/],
    ['an empty prompt', { prompt: ' ' }, 'prompt', /tell the model/],
    ['a prompt too long', { prompt: 'x'.repeat(32_001) }, 'prompt', /tell the model/],
    ['a prompt with a null character', { prompt: 'a\u0000b' }, 'prompt', /remove it/],
    ['an unknown tool', { tools: ['calculator', 'hammer'] }, 'tools.1', /known tools: calculator/],
    ['tools that are no list', { tools: 'calculator' }, 'tools', /list of tool names/],
    ['too many tools', { tools: Array.from({ length: 51 }, () => 'date') }, 'tools', /list of tool names/],
    ['a model without a name', { model: { provider: 'openai' } }, 'model.model', /leave it out/],
    ['a model of no provider', { model: { provider: 'Open AI', model: 'm' } }, 'model.provider', /such as/],
    ['an input that is no object', { input: { type: 'string' } }, 'input', /no pattern, no \$ref/],
    [
      'a pattern in the input',
      { input: property({ type: 'string', pattern: '(a+)+$' }) },
      'input.properties.x',
      /no pattern/,
    ],
    ['a reference in the output', { output: { $ref: '#/definitions/a' } }, 'output', /no \$ref/],
    [
      'a keyword that means nothing',
      { output: { type: 'number', minLength: 3 } },
      'output.minLength',
      /bounds/,
    ],
    ['a time limit too short', { limits: { timeoutMs: 1 } }, 'limits.timeoutMs', /milliseconds/],
    ['an output limit too large', { limits: { outputBytes: 1e9 } }, 'limits.outputBytes', /bytes/],
    ['no step at all', { maxSteps: 0 }, 'maxSteps', /1 to 50/],
    ['too few tokens', { maxTokens: 10 }, 'maxTokens', /from 100/],
    ['an unknown field', { temperature: 2 }, 'definition', /a definition has name, description/],
  ])('%s', async (_, change, path, hint) => {
    const problems = await problemsOf(
      team.client.agents.define({ ...PLAIN, name: 'bad', ...change } as never),
    );
    expect(problems).toEqual([
      { path, message: expect.stringMatching(/./), hint: expect.stringMatching(hint) },
    ]);
  });

  test('all of it at once, and nothing is kept', async () => {
    const bad = { name: 'echo', description: '', prompt: '', tools: ['hammer'], maxSteps: 0, colour: 'red' };
    const problems = await problemsOf(team.client.agents.define(bad));
    expect(problems.map(({ path }) => path).toSorted()).toEqual(
      ['definition', 'description', 'maxSteps', 'name', 'prompt', 'tools.0'].toSorted(),
    );
    for (const none of [null, [], 'quoter', 7])
      expect(await problemsOf(team.client.agents.define(none as never))).toMatchObject([
        { path: 'definition' },
      ]);
    expect((await team.client.agents.list()).map(({ name }) => name)).not.toContain('bad');
  });
});
