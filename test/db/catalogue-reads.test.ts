import { Catalogue } from '../../src/client/catalogue';
import type { CatalogueAgent } from '../../src/db/rows';
import { LOCAL_TENANT_ID } from '../../src/protocol/run';
import { useDatabase } from './support/database';
import { aDefinition } from './support/samples';

const database = useDatabase();

const registered = (name: string): CatalogueAgent => ({
  name,
  version: '1.0.0',
  agentType: 'custom',
  capabilities: [],
  manifest: { description: name, limits: {}, inputSchema: null, outputSchema: {} },
});

/** A catalogue over PostgreSQL, and how often it has asked. */
function counted() {
  const reads = { agents: 0, definitions: 0 };
  const { agents, agentDefinitions } = database.repositories;
  const repositories = {
    agents: { ...agents, list: () => ((reads.agents += 1), agents.list()) },
    agentDefinitions: {
      ...agentDefinitions,
      newest: (tenantId: string, names?: readonly string[]) => (
        (reads.definitions += 1),
        agentDefinitions.newest(tenantId, names)
      ),
    },
  };
  return { reads, catalogue: new Catalogue({ repositories, tenantId: LOCAL_TENANT_ID }) };
}

test('a burst of starts reads the catalogue once, and definitions only for names that no worker has', async () => {
  const { agents, agentDefinitions } = database.repositories;
  await agents.upsert(registered('writer'));
  await agentDefinitions.save(LOCAL_TENANT_ID, aDefinition('quote', { name: 'quoter' }));
  const { catalogue, reads } = counted();
  await Promise.all(Array.from({ length: 20 }, () => catalogue.agents(['writer'])));
  expect(reads).toEqual({ agents: 1, definitions: 0 });
  const found = await catalogue.agents(['writer', 'quoter']);
  expect(found.map(({ version }) => version)).toMatchObject([
    { name: 'writer', version: '1.0.0' },
    { name: 'quoter', version: '1.0.0', defined: 1, timeoutMs: 300_000 },
  ]);
  expect(reads).toEqual({ agents: 1, definitions: 1 });
});

test('a name that is not known is looked for again at once', async () => {
  const { agents } = database.repositories;
  const { catalogue } = counted();
  const names = async (...wanted: string[]) =>
    (await catalogue.agents(wanted)).map(({ version }) => version.name);
  expect(await names('newcomer')).not.toContain('newcomer');
  await agents.upsert(registered('newcomer'));
  expect(await names('newcomer')).toContain('newcomer');
});

test('a failure to read is nobody’s answer but its own', async () => {
  const { agents, agentDefinitions } = database.repositories;
  let broken = true;
  const list = () => (broken ? Promise.reject(new Error('away')) : agents.list());
  const repositories = { agents: { ...agents, list }, agentDefinitions };
  const catalogue = new Catalogue({ repositories, tenantId: LOCAL_TENANT_ID });
  await expect(catalogue.agents(['writer'])).rejects.toThrow('away');
  broken = false;
  expect((await catalogue.agents(['writer'])).length).toBeGreaterThan(0);
});
