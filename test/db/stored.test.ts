import { sql } from 'drizzle-orm';
import { withTenant } from '../../src/db/tenant-door';
import type { Step } from '../../src/protocol/plan';
import { DEFAULT_PROJECT_ID, LOCAL_TENANT_ID } from '../../src/protocol/run';
import { useDatabase } from './support/database';
import { aDefinition } from './support/samples';

const database = useDatabase();
const owner = { tenantId: LOCAL_TENANT_ID, projectId: DEFAULT_PROJECT_ID };
const plan = (agent: string): Step => ({ type: 'sequence', steps: [{ type: 'agent', agent }] });

describe('definitions of agents', () => {
  test('the same content is the same version, whatever the order of its keys; other content is the next', async () => {
    const { agentDefinitions } = database.repositories;
    const first = aDefinition('one');
    const turned = Object.fromEntries(Object.entries(first).toReversed()) as typeof first;
    expect(await agentDefinitions.save(LOCAL_TENANT_ID, first)).toEqual({ version: 1, created: true });
    expect(await agentDefinitions.save(LOCAL_TENANT_ID, turned)).toEqual({ version: 1, created: false });
    expect(await agentDefinitions.save(LOCAL_TENANT_ID, aDefinition('two'))).toEqual({
      version: 2,
      created: true,
    });
    expect(await agentDefinitions.save(LOCAL_TENANT_ID, first)).toEqual({ version: 3, created: true });
    expect((await agentDefinitions.find(LOCAL_TENANT_ID, 'quoter'))?.version).toBe(3);
    expect((await agentDefinitions.find(LOCAL_TENANT_ID, 'quoter', 2))?.definition.prompt).toBe('two');
    expect(await agentDefinitions.find(LOCAL_TENANT_ID, 'quoter', 9)).toBeUndefined();
  });

  test('many that define at once get each number once', async () => {
    const { agentDefinitions } = database.repositories;
    const kept = await Promise.all(
      Array.from({ length: 12 }, (_, index) =>
        agentDefinitions.save(LOCAL_TENANT_ID, aDefinition(`prompt ${index % 6}`, { name: 'crowded' })),
      ),
    );
    const numbers = kept.filter(({ created }) => created).map(({ version }) => version);
    expect(numbers.toSorted((a, b) => a - b)).toEqual(numbers.map((_, index) => index + 1));
    expect(numbers.length).toBeGreaterThan(5);
  });

  test('a retired agent is found by its version only, and the same content afterwards is a new version', async () => {
    const { agentDefinitions } = database.repositories;
    const definition = aDefinition('gone', { name: 'retiree' });
    await agentDefinitions.save(LOCAL_TENANT_ID, definition);
    expect(await agentDefinitions.retire(LOCAL_TENANT_ID, 'retiree')).toBe(true);
    expect(await agentDefinitions.retire(LOCAL_TENANT_ID, 'retiree')).toBe(false);
    expect(await agentDefinitions.find(LOCAL_TENANT_ID, 'retiree')).toBeUndefined();
    expect(await agentDefinitions.newest(LOCAL_TENANT_ID, ['retiree'])).toEqual([]);
    expect(await agentDefinitions.find(LOCAL_TENANT_ID, 'retiree', 1)).toMatchObject({
      definition,
      retiredAt: expect.stringMatching(/^20/),
    });
    expect(await agentDefinitions.save(LOCAL_TENANT_ID, definition)).toEqual({ version: 2, created: true });
    expect(await agentDefinitions.newest(LOCAL_TENANT_ID, ['retiree'])).toMatchObject([{ version: 2 }]);
  });

  test('no version can be changed, only retired', async () => {
    await database.repositories.agentDefinitions.save(
      LOCAL_TENANT_ID,
      aDefinition('fixed', { name: 'fixed' }),
    );
    for (const change of ["definition = '{}'", 'version = 9', "name = 'other'", 'created_at = now()'])
      await expect(
        withTenant(database.pool, LOCAL_TENANT_ID, (tx) =>
          tx.execute(sql.raw(`update ensemble.agent_definitions set ${change}`)),
        ),
      ).rejects.toThrow('permission denied');
  });

  test('another tenant has its own under the same name', async () => {
    const { agentDefinitions, tenants } = database.repositories;
    const other = await tenants.create('other');
    await agentDefinitions.save(LOCAL_TENANT_ID, aDefinition('ours', { name: 'shared' }));
    expect(await agentDefinitions.find(other, 'shared', 1)).toBeUndefined();
    expect(await agentDefinitions.newest(other)).toEqual([]);
    expect(await agentDefinitions.retire(other, 'shared')).toBe(false);
    expect(await agentDefinitions.save(other, aDefinition('theirs', { name: 'shared' }))).toMatchObject({
      version: 1,
    });
    expect((await agentDefinitions.find(LOCAL_TENANT_ID, 'shared'))?.definition.prompt).toBe('ours');
  });
});

describe('stored plans', () => {
  test('the same content is the same version, other content the next, and every version stays', async () => {
    const { plans } = database.repositories;
    expect(await plans.save(owner, 'nightly', plan('a'))).toEqual({ version: 1, created: true });
    expect(await plans.save(owner, 'nightly', plan('a'))).toEqual({ version: 1, created: false });
    expect(await plans.save(owner, 'nightly', plan('b'))).toEqual({ version: 2, created: true });
    const found = await plans.find(owner, [
      { name: 'nightly' },
      { name: 'nightly', version: 1 },
      { name: 'nightly', version: 3 },
      { name: 'weekly' },
    ]);
    expect(found).toMatchObject([
      { version: 2, plan: plan('b') },
      { version: 1, plan: plan('a') },
      undefined,
      undefined,
    ]);
    expect(await plans.newest(owner)).toMatchObject([{ name: 'nightly', version: 2 }]);
  });

  test('another project has its own, and no plan belongs to a project that is not there', async () => {
    const { plans, projects } = database.repositories;
    const projectId = await projects.create(LOCAL_TENANT_ID, 'second');
    await plans.save(owner, 'shared', plan('a'));
    expect(await plans.find({ tenantId: LOCAL_TENANT_ID, projectId }, [{ name: 'shared' }])).toEqual([
      undefined,
    ]);
    const nowhere = { tenantId: LOCAL_TENANT_ID, projectId: crypto.randomUUID() };
    await expect(plans.save(nowhere, 'lost', plan('a'))).rejects.toThrow('foreign key');
  });
});
