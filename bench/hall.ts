import { setTimeout as sleep } from 'node:timers/promises';
import { uuidv7 } from 'uuidv7';
import { z } from 'zod';
import type { AgentBus } from '../src/activities/bus/agent-bus';
import { type AgentClass, type AgentContext, type AgentTask, BaseAgent } from '../src/agents/base-agent';
import type { Environment } from '../src/config';
import type { AgentManifestInput } from '../src/protocol/agent';
import { RunNotifications } from '../src/db/notifications';
import { createPool } from '../src/db/pool';
import { createRepositories, type Repositories } from '../src/db/repositories';
import { LOCAL_TENANT_ID } from '../src/protocol/run';
import { createBuses, type OwnedBuses } from '../src/runtime/buses';
import { Cleanup } from '../src/runtime/cleanup';
import { temporalTarget } from '../src/runtime/temporal';
import type { Rig } from './rig';

const TENANT = LOCAL_TENANT_ID;

/** An agent whose only work is to be there until it is told to stop. */
export function members(pairs: number): readonly AgentClass[] {
  return [...names('s', pairs), ...names('r', pairs)].map(
    (name): AgentClass =>
      class extends BaseAgent<string> {
        static readonly manifest: AgentManifestInput = {
          name,
          version: '1.0.0',
          description: 'Talks',
          output: z.string(),
        };

        async execute(_task: AgentTask, { signal }: AgentContext): Promise<string> {
          await sleep(3_600_000, undefined, { signal });
          return 'done';
        }
      },
  );
}

/** Where members are: what one process has that they talk through. */
export interface Place extends AsyncDisposable {
  readonly repositories: Repositories;
  readonly buses: OwnedBuses['buses'];
}

/** The place of the process that has the rig. */
export interface Hall extends Place {
  readonly rig: Rig;
}

export function openHall(rig: Rig): Hall {
  return { rig, ...openPlace(rig.environment) };
}

export function openPlace(environment: Environment): Place {
  const cleanup = new Cleanup();
  const url = environment['DATABASE_URL'] ?? '';
  const pool = createPool(url, { size: 30, applicationName: 'ensemble-bench', onError: () => {} });
  cleanup.defer(() => pool.end());
  const repositories = createRepositories(pool);
  const notifications = cleanup.use(new RunNotifications(url, () => {}));
  const target = temporalTarget(environment);
  const taskQueue = environment['ENSEMBLE_TASK_QUEUE'] ?? 'ensemble';
  const { buses } = cleanup.use(createBuses({ repositories, notifications, target, taskQueue }));
  return { repositories, buses, [Symbol.asyncDispose]: () => cleanup[Symbol.asyncDispose]() };
}

/** A run of so many senders and receivers. */
export function startRun(hall: Hall, pairs: number): Promise<string> {
  return startRunOf(hall, [...names('s', pairs), ...names('r', pairs)]);
}

export async function startRunOf({ rig }: Hall, agents: readonly string[]): Promise<string> {
  const { runId } = await rig.client.start({
    task: 'talk',
    plan: { strategy: 'parallel', agents: [...agents] },
  });
  await rig.client.messages.configure(runId, { mailbox: { limit: 5_000, policy: 'block' } });
  return runId;
}

export async function attend(
  { repositories, buses }: Place,
  { runId, name }: { readonly runId: string; readonly name: string },
): Promise<AgentBus> {
  const tokenHash = uuidv7();
  const opened = await repositories.agentRuns.open(TENANT, {
    runId,
    candidateId: uuidv7(),
    address: `bench-${name}`,
    agent: name,
    version: '1.0.0',
    scheduledAtMs: 1,
    activityAttempt: 1,
    tokenHash,
    worker: 'bench',
    events: [],
  });
  if (opened.outcome !== 'open') throw new Error(`expected an open agent run, not ${opened.outcome}`);
  const { agentRunId, attempt } = opened;
  return buses.join({
    tenantId: TENANT,
    runId,
    member: name,
    agentRunId,
    turn: 1,
    attempt,
    tokenHash,
  });
}

export function names(prefix: string, count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}${index}`);
}
