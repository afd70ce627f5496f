import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isGrpcServiceError } from '@temporalio/client';
import { createClient } from '../../src/client/connect';
import { busIdOf, workflowIdOf } from '../../src/core/ids';
import { bundleWorkflows } from '../../src/runtime/bundle';
import { startTeam, type Team } from '../support/team';
import { HISTORIES, historiesOf, type RecordedHistory, replayProblems } from './support/histories';
import { type Scenario, SCENARIO_AGENTS, SCENARIOS } from './support/scenarios';

/** `npm run record-histories` sets it: what is recorded here is kept under this commit's name. */
const commit = process.env['RECORD_HISTORIES'];

let team: Team;
/** Of gRPC. */
const NOT_FOUND = 5;
/** Scenarios in which somebody says something, or waits for it. */
const TALKING = new Set(['message-wait', 'asleep', 'asleep-continued']);
const recorded = new Map<string, Promise<readonly RecordedHistory[]>>();
beforeAll(async () => {
  team = await startTeam(SCENARIO_AGENTS);
  for (const [name, scenario] of Object.entries(SCENARIOS)) {
    const histories = carriedOut(scenario);
    histories.catch(() => undefined);
    recorded.set(name, histories);
  }
});
afterAll(async () => {
  await Promise.allSettled(recorded.values());
  await team[Symbol.asyncDispose]();
});

async function carriedOut(scenario: Scenario): Promise<readonly RecordedHistory[]> {
  const { plan, input = {}, startsPerHistory = 500, cancelAt } = scenario;
  const pace = { ENSEMBLE_STARTS_PER_HISTORY: String(startsPerHistory) };
  await using client = await createClient({ environment: { ...team.environment, ...pace } });
  const { runId } = await client.start({ task: 'Be remembered', plan, input });
  if (cancelAt !== undefined) {
    for await (const { type, agent } of client.events(runId))
      if (type === 'agent.started' && agent === cancelAt) break;
    await client.cancel(runId);
  }
  await client.result(runId);
  // A parent may end before its children have, where it only told them to.
  const histories: RecordedHistory[] = [];
  for (const id of await familyOf(runId)) {
    await client.result(id);
    histories.push(...(await historiesOf(team.temporal, workflowIdOf(id))), ...(await ofBus(id)));
  }
  return histories;
}

/** Of a run that said nothing there is none. */
async function ofBus(runId: string): Promise<readonly RecordedHistory[]> {
  try {
    return await historiesOf(team.temporal, busIdOf(runId));
  } catch (error) {
    if (isGrpcServiceError(error) && error.code === NOT_FOUND) return [];
    throw error;
  }
}

async function familyOf(runId: string): Promise<string[]> {
  const { rows } = await team.admin.query<{ id: string }>(
    'select id from ensemble.runs where parent_run_id = $1 order by parent_address',
    [runId],
  );
  const families = await Promise.all(rows.map(({ id }) => familyOf(id)));
  return [runId, ...families.flat()];
}

test.each(Object.keys(SCENARIOS))(
  '%s replays as it ran',
  async (name) => {
    const histories = (await recorded.get(name)) ?? [];
    expect(histories.length).toBeGreaterThan(0);
    const buses = histories.filter(({ workflowId }) => workflowId.startsWith('bus-'));
    expect(buses).toHaveLength(TALKING.has(name) ? 1 : 0);
    expect(await replayProblems(await bundle(), histories)).toEqual([]);
    if (commit !== undefined) keep(name, commit, histories);
  },
  120_000,
);

let bundled: Promise<string> | undefined;
function bundle(): Promise<string> {
  return (bundled ??= bundleWorkflows());
}

function keep(name: string, under: string, histories: readonly RecordedHistory[]): void {
  const folder = join(HISTORIES, under);
  mkdirSync(folder, { recursive: true });
  for (const [index, history] of histories.entries())
    writeFileSync(join(folder, `${name}-${index + 1}.json`), `${JSON.stringify(history)}\n`, { flag: 'wx' });
}
