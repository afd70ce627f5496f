import { setTimeout as sleep } from 'node:timers/promises';
import type { Pool } from 'pg';
import { uuidv7 } from 'uuidv7';
import type { AgentBus } from '../../../src/activities/bus/agent-bus';
import { busIdOf } from '../../../src/core/ids';
import { RunNotifications } from '../../../src/db/notifications';
import { createRepositories, type Repositories } from '../../../src/db/repositories';
import type { Message } from '../../../src/protocol/message';
import { LOCAL_TENANT_ID } from '../../../src/protocol/run';
import { type OwnedBuses, createBuses } from '../../../src/runtime/buses';
import { Cleanup } from '../../../src/runtime/cleanup';
import { temporalTarget } from '../../../src/runtime/temporal';
import { aPool } from '../../db/support/database';
import { anAgent } from '../../support/agents';
import { startTeam, type Team } from '../../support/team';

const TENANT = LOCAL_TENANT_ID;

/** A team whose runs stay open until they are cancelled, and what a process that talks in them has. */
export interface Talk extends AsyncDisposable {
  readonly team: Team;
  readonly pool: Pool;
  readonly repositories: Repositories;
  readonly buses: OwnedBuses['buses'];
  /** A run of these members. */
  run(): Promise<string>;
  /** Joins as an attempt at an execution of its own. */
  attend(runId: string, who: { member: string; address: string; attempt?: number }): Promise<AgentBus>;
  /** Everything in the log, in its order. */
  log(runId: string): Promise<readonly Message[]>;
  history(runId: string): Promise<readonly string[]>;
}

const MEMBERS = ['alpha', 'beta', 'gamma'];

export async function startTalk(): Promise<Talk> {
  await using cleanup = new Cleanup();
  const agents = MEMBERS.map((name) =>
    anAgent(name, (_task, { signal }) => sleep(600_000, undefined, { signal }), {
      capabilities: ['talk', `as-${name}`],
    }),
  );
  const team = cleanup.use(await startTeam(agents));
  const processOf = talkingProcess(team.environment);
  cleanup.use(processOf);
  const { repositories } = processOf;
  const owned = cleanup.move();
  return {
    ...processOf,
    team,
    run: async () =>
      (await team.client.start({ task: 'talk', plan: { strategy: 'parallel', agents: MEMBERS } })).runId,
    attend: (runId, who) => attend(processOf, runId, who),
    log: (runId) => wholeLog(repositories, runId),
    history: async (runId) => {
      const { events } = await team.temporal.workflow.getHandle(busIdOf(runId)).fetchHistory();
      return (events ?? []).map(({ eventType }) => String(eventType));
    },
    [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose](),
  };
}

/** What each process has for itself: pool, notifications, outboxes. */
export function talkingProcess(
  environment: Readonly<Record<string, string | undefined>>,
  bounds: { readonly loggedWithinMs?: number } = {},
) {
  const { DATABASE_URL = '', ENSEMBLE_TASK_QUEUE: taskQueue = '' } = environment;
  const pool = aPool(DATABASE_URL);
  const repositories = createRepositories(pool);
  const notifications = new RunNotifications(DATABASE_URL, () => undefined);
  const target = temporalTarget(environment);
  const owned = createBuses({ repositories, notifications, target, taskQueue, ...bounds });
  return {
    pool,
    repositories,
    buses: owned.buses,
    [Symbol.asyncDispose]: async () => {
      await owned[Symbol.asyncDispose]();
      await notifications[Symbol.asyncDispose]();
      await pool.end();
    },
  };
}

type Process = Pick<Talk, 'repositories' | 'buses'>;

interface HeldBus extends AsyncDisposable {
  letGo(): Promise<void>;
}

/** Keeps a bus from routing anything until it is let go; it has to be there. */
export async function holdBus(admin: Pool, runId: string): Promise<HeldBus> {
  const client = await admin.connect();
  await client.query('begin');
  const { rowCount } = await client.query('select from ensemble.buses where run_id = $1 for update', [runId]);
  if (rowCount !== 1) throw new Error(`expected a bus of run ${runId}`);
  let held = true;
  const letGo = async (): Promise<void> => {
    if (held) await client.query('rollback');
    if (held) client.release();
    held = false;
  };
  return { letGo, [Symbol.asyncDispose]: letGo };
}

/** Joins as an attempt at an execution of its own. */
export async function attend(
  { repositories, buses }: Process,
  runId: string,
  { member, address, attempt = 1 }: { member: string; address: string; attempt?: number },
): Promise<AgentBus> {
  const tokenHash = `token-${address}-${attempt}`;
  const opened = await repositories.agentRuns.open(TENANT, {
    runId,
    candidateId: uuidv7(),
    address,
    agent: member,
    version: '1.0.0',
    scheduledAtMs: 1_000,
    activityAttempt: attempt,
    tokenHash,
    worker: 'test',
    events: [],
  });
  if (opened.outcome !== 'open') throw new Error(`expected an open agent run, not ${opened.outcome}`);
  const { agentRunId } = opened;
  return buses.join({
    tenantId: TENANT,
    runId,
    member,
    agentRunId,
    turn: 1,
    attempt: opened.attempt,
    tokenHash,
  });
}

/** The log as anybody reads it, page by page. Fails where a number is missing. */
export async function wholeLog({ messages }: Repositories, runId: string): Promise<readonly Message[]> {
  const log: Message[] = [];
  for (;;) {
    const page = await messages.history(TENANT, runId, { after: log.length, limit: 1_000 });
    log.push(...page);
    if (page.length < 1_000) break;
  }
  expect(log.map(({ seq }) => seq)).toEqual(log.map((_, index) => index + 1));
  return log;
}

/** What each sender said, in the order of the log. */
export function bySender(log: readonly Message[]): ReadonlyMap<string, readonly unknown[]> {
  const said = new Map<string, unknown[]>();
  for (const { from, content } of log) {
    const contents = said.get(from) ?? [];
    contents.push(content);
    said.set(from, contents);
  }
  return said;
}

export async function until(met: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await met())) await sleep(50);
}
