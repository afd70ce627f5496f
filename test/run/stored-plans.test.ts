import { withStoredPlans, wholeStoredPlan } from '../../src/client/stored-plans';
import { createClient } from '../../src/client/connect';
import type { EnsembleClient } from '../../src/client/ensemble-client';
import { createRepositories, type Repositories } from '../../src/db/repositories';
import type { PlanOwner } from '../../src/db/repositories/plans';
import { AppError, type Problem } from '../../src/protocol/failures';
import { LIMITS } from '../../src/protocol/limits';
import type { PlanShorthand, Step } from '../../src/protocol/plan';
import { DEFAULT_PROJECT_ID, LOCAL_TENANT_ID } from '../../src/protocol/run';
import { anAgent } from '../support/agents';
import { startTeam, type Team } from '../support/team';

/** Runs that stand at the gate, by run. */
const gates = new Map<string, () => void>();
const agents = [
  anAgent('gate', async (_task, { runId }) => {
    await new Promise<void>((open) => gates.set(runId, open));
    return 'open';
  }),
  anAgent('red', () => 'red'),
  anAgent('blue', () => 'blue'),
];

let team: Team;
let repositories: Repositories;
const owner: PlanOwner = { tenantId: LOCAL_TENANT_ID, projectId: DEFAULT_PROJECT_ID };
beforeAll(async () => {
  team = await startTeam(agents);
  repositories = createRepositories(team.admin);
});
afterAll(() => team[Symbol.asyncDispose]());

const agent = (name: string): Step => ({ type: 'agent', agent: name });
const inOrder = (...steps: Step[]): Step => ({ type: 'sequence', steps });
const stored = (name: string, version?: number): Step => ({
  type: 'run',
  stored: version === undefined ? { name } : { name, version },
});

async function problemsOf(work: Promise<unknown>): Promise<readonly Problem[]> {
  const error: unknown = await work.then(
    () => new Error('nothing was refused'),
    (cause: unknown) => cause,
  );
  if (AppError.is(error)) return error.problems;
  throw error;
}

describe('a run of a stored plan', () => {
  test('takes the newest version, or the one that is named, and tells which', async () => {
    const { client } = team;
    expect(await client.plans.save('colour', { strategy: 'sequential', agents: ['red'] })).toEqual({
      name: 'colour',
      version: 1,
      created: true,
    });
    // Written out, it is the same plan.
    expect(await client.plans.save('colour', inOrder(agent('red')))).toMatchObject({ created: false });
    expect(await client.plans.save('colour', inOrder(agent('blue')))).toMatchObject({ version: 2 });
    const newest = await client.run({ task: 'Paint', plan: { stored: { name: 'colour' } } });
    const first = await client.run({ task: 'Paint', plan: { stored: { name: 'colour', version: 1 } } });
    expect([newest.output, first.output]).toEqual(['blue', 'red']);
    for await (const { type, data } of client.events(first.runId))
      if (type === 'run.accepted')
        expect(data).toEqual({ plans: [{ path: 'plan', name: 'colour', version: 1 }] });
    expect(await client.plans.get('colour', 1)).toMatchObject({ version: 1, plan: inOrder(agent('red')) });
    expect(await client.plans.list()).toEqual([await client.plans.get('colour')]);
  });

  test('keeps the version that it was accepted with, while a newer one is saved', async () => {
    const { client } = team;
    await client.plans.save('held', inOrder(agent('gate'), agent('red')));
    const request = { task: 'Wait', plan: { stored: { name: 'held' } }, idempotencyKey: 'held-1' };
    const { runId } = await client.start(request);
    await client.plans.save('held', inOrder(agent('blue')));
    // The same request, although its plan would be another one by now.
    expect(await client.start(request)).toMatchObject({ runId, created: false });
    while (!gates.has(runId)) await new Promise((resolve) => setTimeout(resolve, 20));
    gates.get(runId)?.();
    expect(await client.result(runId)).toMatchObject({ status: 'completed', output: 'red' });
    const row = await repositories.runs.find(LOCAL_TENANT_ID, runId);
    expect(row?.plan).toEqual(inOrder(agent('gate'), agent('red')));
  });

  test('is refused where there is no such plan or version, with those that there are', async () => {
    await team.client.plans.save('known', agent('red'));
    const start = (wanted: object) => team.client.start({ task: 't', plan: { stored: wanted } as never });
    for (const wanted of [{ name: 'nowhere' }, { name: 'known', version: 7 }])
      await expect(start(wanted)).rejects.toMatchObject({
        code: 'PLAN_UNKNOWN',
        problems: [{ path: 'plan.stored', hint: expect.stringContaining('known (version 1)') }],
      });
    for (const wanted of [
      { name: 'Known' },
      { name: 'known', version: 0 },
      { name: 'known', version: 1e10 },
      {},
    ])
      await expect(start(wanted)).rejects.toMatchObject({ code: 'INPUT_INVALID' });
  });

  test('is another one in another project, and another tenant’s is none at all', async () => {
    await team.client.plans.save('private', agent('red'));
    const projectId = await repositories.projects.create(LOCAL_TENANT_ID, 'second');
    const tenantId = await repositories.tenants.create('another');
    const theirProject = await repositories.projects.create(tenantId, 'theirs');
    const { environment } = team;
    await using second = await createClient({ environment, projectId });
    await using theirs = await createClient({ environment, tenantId, projectId: theirProject });
    for (const client of [second, theirs]) {
      expect(await client.plans.list()).toEqual([]);
      await expect(client.plans.get('private')).rejects.toMatchObject({ code: 'PLAN_UNKNOWN' });
      const start = client.start({ task: 't', plan: { stored: { name: 'private' } } });
      await expect(start).rejects.toMatchObject({ problems: [{ hint: 'stored plans: none yet' }] });
      expect(await client.plans.save('private', agent('blue'))).toMatchObject({ version: 1 });
    }
    expect((await team.client.plans.get('private')).plan).toEqual(agent('red'));
  });
});

describe('stored plans in run steps', () => {
  const whole = (plan: Step) => withStoredPlans({ repositories, owner }, plan);
  const keep = (name: string, plan: Step) => repositories.plans.save(owner, name, plan);

  test('are written into the plan wherever they stand, one within the other', async () => {
    await keep('leaf', agent('red'));
    await keep('leaf', agent('blue'));
    await keep('branch', inOrder(stored('leaf'), stored('leaf', 1)));
    const { plan, used, problems } = await whole(
      inOrder(
        { type: 'loop', step: { type: 'run', stored: { name: 'branch' }, task: 'Again' }, maxIterations: 2 },
        { type: 'map', over: '/input/list', step: stored('leaf') },
        { type: 'adaptive', options: [{ id: 'one', step: stored('leaf') }], router: { by: 'model' } },
        { type: 'run', plan: stored('leaf', 1) },
      ),
    );
    const leaf = (name: string): Step => ({ type: 'run', plan: agent(name) });
    expect(problems).toEqual([]);
    expect(plan).toEqual(
      inOrder(
        {
          type: 'loop',
          step: { type: 'run', plan: inOrder(leaf('blue'), leaf('red')), task: 'Again' },
          maxIterations: 2,
        },
        { type: 'map', over: '/input/list', step: leaf('blue') },
        { type: 'adaptive', options: [{ id: 'one', step: leaf('blue') }], router: { by: 'model' } },
        { type: 'run', plan: leaf('red') },
      ),
    );
    expect(used).toEqual([
      { path: 'plan.steps[0].step.plan', name: 'branch', version: 1 },
      { path: 'plan.steps[0].step.plan.steps[0].plan', name: 'leaf', version: 2 },
      { path: 'plan.steps[0].step.plan.steps[1].plan', name: 'leaf', version: 1 },
      { path: 'plan.steps[1].step.plan', name: 'leaf', version: 2 },
      { path: 'plan.steps[2].options[0].step.plan', name: 'leaf', version: 2 },
      { path: 'plan.steps[3].plan.plan', name: 'leaf', version: 1 },
    ]);
  });

  test('run as they were when their parent was accepted', async () => {
    const { client } = team;
    await client.plans.save('inner', agent('red'));
    await client.plans.save('outer', inOrder(agent('gate'), stored('inner')));
    const { runId } = await client.start({ task: 'Wait', plan: { stored: { name: 'outer' } } });
    await client.plans.save('inner', agent('blue'));
    while (!gates.has(runId)) await new Promise((resolve) => setTimeout(resolve, 20));
    gates.get(runId)?.();
    expect(await client.result(runId)).toMatchObject({ status: 'completed', output: 'red' });
    for await (const { type, data } of client.events(runId))
      if (type === 'run.accepted')
        expect(data['plans']).toEqual([
          { path: 'plan', name: 'outer', version: 1 },
          { path: 'plan.steps[1].plan', name: 'inner', version: 1 },
        ]);
  });

  test('lead in no circle, but may name an earlier version of themselves', async () => {
    const { plans } = team.client;
    await plans.save('snake', agent('red'));
    expect(await problemsOf(plans.save('snake', inOrder(agent('red'), stored('snake'))))).toEqual([
      {
        path: 'plan.steps[1].stored',
        message: 'leads back to where it stands: snake → snake',
        hint: expect.stringContaining('an earlier version'),
      },
    ]);
    expect(await plans.save('snake', inOrder(agent('red'), stored('snake', 1)))).toMatchObject({
      version: 2,
    });
    await plans.save('hen', agent('red'));
    await plans.save('egg', stored('hen'));
    expect(await problemsOf(plans.save('hen', stored('egg')))).toMatchObject([
      { path: 'plan.plan.stored', message: 'leads back to where it stands: hen → egg → hen' },
    ]);
    // What got there by another way is found at the start as well.
    await keep('hen', stored('egg'));
    const { problems } = await wholeStoredPlan({ repositories, owner }, { name: 'hen' });
    expect(problems).toMatchObject([{ message: 'leads back to where it stands: hen → egg → hen' }]);
  });

  test('cannot be multiplied beyond the size of a plan, nor be too many', async () => {
    const fan = (name: string): Step => inOrder(...Array.from({ length: 100 }, () => stored(name)));
    await keep('fan-0', agent('red'));
    for (const level of [1, 2, 3, 4]) await keep(`fan-${level}`, fan(`fan-${level - 1}`));
    expect((await whole(stored('fan-4'))).problems).toEqual([
      {
        path: expect.stringMatching(/^plan\.plan\.steps\[0\].*\.stored$/),
        message: `makes the plan larger than ${LIMITS.planBytes} bytes, with its stored plans written into it`,
        hint: 'use fewer of them, or smaller ones',
      },
    ]);
    const many = Array.from({ length: LIMITS.plansPerRun + 1 }, (_, index) => stored(`many-${index}`));
    expect((await whole(inOrder(...many))).problems).toMatchObject([
      { path: 'plan', message: 'is made of more than 100 stored plans' },
    ]);
  });

  test('what is wrong inside of one is told with its name and version', async () => {
    await keep('stale', inOrder(agent('red'), agent('gone')));
    await keep('deep-0', agent('red'));
    for (const level of [1, 2, 3, 4, 5, 6]) await keep(`deep-${level}`, stored(`deep-${level - 1}`));
    const { plans } = team.client;
    expect(await problemsOf(plans.save('of-stale', inOrder(agent('blue'), stored('stale'))))).toMatchObject([
      {
        path: 'plan.steps[1].plan.steps[1].agent',
        message: expect.stringMatching(/unknown agent "gone".*, in version 1 of the stored plan "stale"$/),
      },
    ]);
    expect(await problemsOf(plans.save('of-deep', stored('deep-6')))).toMatchObject([
      { message: expect.stringMatching(/is a run inside 5 others; the limit is 5, in version 1/) },
    ]);
  });
});

describe('a bad plan is refused with the place and the way out', () => {
  const save = (plan: unknown, name = 'bad') => team.client.plans.save(name, plan as PlanShorthand | Step);
  const when = { op: 'eq', pointer: '/last/verdict', value: 'pass' };

  test.each<[string, unknown, string, RegExp]>([
    ['nothing', null, 'plan', /\{strategy, agents\}/],
    ['a text', 'sequential', 'plan', /\{strategy, agents\}/],
    ['a list', [agent('red')], 'plan', /\{strategy, agents\}/],
    ['an unknown type', { type: 'teleport' }, 'plan.type', /docs\/plans\.md/],
    ['an unknown strategy', { strategy: 'chaotic', agents: ['red'] }, 'plan.strategy', /docs\/plans\.md/],
    ['no agents', { strategy: 'sequential', agents: [] }, 'plan.agents', /at least 1/],
    ['no steps', inOrder(), 'plan.steps', /at least 1/],
    ['an unknown field', { ...agent('red'), colour: 1 }, 'plan', /remove "colour"/],
    ['an unknown agent', inOrder(agent('rad')), 'plan.steps[0].agent', /known agents: .*red/],
    ['an input nobody takes', { ...agent('red'), input: { a: 1 } }, 'plan.input', /remove it/],
    ['a time limit too long', { ...agent('red'), timeoutMs: 1e12 }, 'plan.timeoutMs', /at most 86400000/],
    [
      'too many attempts',
      { ...agent('red'), retry: { maxAttempts: 21 } },
      'plan.retry.maxAttempts',
      /at most 20/,
    ],
    [
      'a fallback to nobody',
      { ...agent('red'), onFailure: { fallback: { agent: 'nil' } } },
      'plan.onFailure.fallback.agent',
      /known agents/,
    ],
    [
      'a quorum beyond the branches',
      { type: 'parallel', steps: [agent('red')], quorum: { first: 3 } },
      'plan.quorum.first',
      /at most 1/,
    ],
    ['a condition on nothing', { ...agent('red'), when }, 'plan.when', /./],
    ['an endless loop', { type: 'loop', step: agent('red') }, 'plan.maxIterations', /number/],
    ['a wait without an end', { type: 'wait', for: 'message' }, 'plan.timeoutMs', /./],
    [
      'a name used twice',
      inOrder({ ...agent('red'), id: 'a' } as Step, { ...agent('blue'), id: 'a' } as Step),
      'plan.steps[1].id',
      /./,
    ],
    ['an unknown stored plan', stored('nowhere'), 'plan.stored', /^stored plans: /],
    ['two plans in one step', { ...stored('known'), plan: agent('red') }, 'plan', /docs\/plans\.md/],
    ['a name in place of a plan', { stored: { name: 'known' } }, 'plan', /write a run step/],
    [
      'too many executions',
      { type: 'map', over: '/input/list', step: { type: 'loop', step: agent('red'), maxIterations: 100 } },
      'plan',
      /lower maxIterations/,
    ],
  ])('%s', async (_, plan, path, hint) => {
    const problems = await problemsOf(save(plan));
    expect(problems).toContainEqual({
      path,
      message: expect.stringMatching(/./),
      hint: expect.stringMatching(hint),
    });
  });

  test('all of it at once, the name included, and nothing is kept', async () => {
    const plan = inOrder(agent('nil'), { ...agent('red'), input: {} } as Step, stored('nowhere'));
    expect((await problemsOf(save(plan))).map(({ path }) => path).toSorted()).toEqual([
      'plan.steps[0].agent',
      'plan.steps[1].input',
      'plan.steps[2].stored',
    ]);
    const twice = await problemsOf(save({ type: 'sequence', steps: [] }, 'No Name'));
    expect(twice.map(({ path }) => path)).toEqual(['name', 'plan.steps']);
    expect((await team.client.plans.list()).map(({ name }) => name)).not.toContain('bad');
  });

  test('a request’s own faults come along with its plan’s', async () => {
    const { client } = team;
    const request = { task: '', plan: inOrder(agent('nil')), input: [], idempotencyKey: '', colour: 'red' };
    const problems = await problemsOf(
      client.start(request as unknown as Parameters<EnsembleClient['start']>[0]),
    );
    expect(problems.map(({ path }) => path).toSorted()).toEqual(
      ['idempotencyKey', 'input', 'plan.steps[0].agent', 'request', 'task'].toSorted(),
    );
    expect(problems.every(({ hint }) => hint.length > 5)).toBe(true);
    const large = { task: 'x'.repeat(LIMITS.taskBytes + 1), plan: agent('nil') };
    await expect(client.start(large)).rejects.toMatchObject({
      code: 'INPUT_TOO_LARGE',
      problems: [{ path: 'task' }, { path: 'plan.agent' }],
    });
  });
});
