import type { AgentContext } from '../../src/agents/base-agent';
import { agentState, memoryContext, scriptedModel } from '../../src/agents/testing';
import { createApp } from '../../src/api/app';
import { AppError } from '../../src/protocol/failures';
import type { Json } from '../../src/protocol/json';
import type { PlanShorthand } from '../../src/protocol/plan';
import { createLogger } from '../../src/telemetry/log';
import { anAgent } from '../support/agents';
import { startTeam, type Team } from '../support/team';

const contextRules = { top: { merge: 'max' }, seen: { merge: 'union' } };
const codeOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    (value) => value ?? 'taken',
    (error: unknown) => (AppError.is(error) ? error.code : String(error)),
  );

/** Everything that an agent can do with its context, and what it is told. */
async function scene({ context }: AgentContext): Promise<Json> {
  const told: unknown[] = [];
  const note = async (answer: Promise<unknown>): Promise<void> => void told.push(await codeOf(answer));
  context.set('plain', { a: 1 });
  await note(context.get('plain'));
  await note(context.merge('top', 3));
  await note(context.merge('top', 2));
  await note(context.merge('top', 'text'));
  await note(context.get('top'));
  await note(context.merge('seen', ['b', 'a']));
  await note(context.append('seen', 'c'));
  await note(context.get('seen'));
  context.delete('plain');
  await note(context.get('plain'));
  await note(context.compareAndSet('n', 0, 1));
  await note(context.compareAndSet('n', 0, 1));
  await note(context.update('n', (value) => Number(value ?? 0) + 1));
  await note(context.append('n', 1, { now: true }));
  await note(context.compareAndSet('task', 0, 1));
  await note(
    context.watch('n', { op: 'gt', pointer: '', value: 1 }, { timeoutMs: 5_000 }).then((one) => one?.value),
  );
  await note(context.watch('n', { op: 'gt', pointer: '', value: 5 }, { timeoutMs: 60 }));
  const own = context.private();
  own.set('k', 1);
  await note(own.get('k'));
  await note(context.get('k'));
  await note((async () => context.private('somebody'))());
  return told as Json;
}

let team: Team;
beforeAll(async () => {
  team = await startTeam([anAgent('plays', (_, context) => scene(context))]);
});
afterAll(() => team[Symbol.asyncDispose]());

test('an agent under test is told the same as a worker would tell it', async () => {
  const plan = { strategy: 'sequential', agents: ['plays'], context: contextRules } satisfies PlanShorthand;
  const { output, runId } = await team.client.run({ task: 'Play', plan });
  const { context, record } = memoryContext({
    model: scriptedModel(),
    contextRules,
    context: { task: 'Play' },
    state: agentState(),
  });
  expect(await scene(context)).toEqual(output);
  expect(record.writes).toEqual(
    new Map<string, Json>([
      ['top', 3],
      ['seen', ['a', 'b', 'c']],
    ]),
  );
  const held = (await team.client.query(runId, 'context')) as Record<string, { inline: Json }>;
  expect([held['top'], held['seen'], held['n']]).toEqual([
    { inline: 3 },
    { inline: ['a', 'b', 'c'] },
    { inline: 2 },
  ]);
});

test('the history of a key over HTTP, from any version on', async () => {
  const plan = { type: 'agent', agent: 'plays' } as const;
  const { runId } = await team.client.run({ task: 'Play', plan });
  const log = createLogger({ level: 'silent', format: 'json' });
  const app = createApp({ client: team.client, log, ready: () => Promise.resolve() });
  const at = (query: string) => app.request(`/v1/runs/${runId}/context-history${query}`);
  const all = (await (await at('?key=n')).json()) as { changes: unknown[] };
  expect(all.changes).toMatchObject([
    { key: 'n', version: 1, value: 1, author: 'plays', cause: { address: '0', at: 'once' } },
    { key: 'n', version: 2, value: 2 },
  ]);
  expect(await (await at('?key=n&after=1')).json()).toEqual({ changes: all.changes.slice(1) });
  expect(await (await at('?key=nothing')).json()).toEqual({ changes: [] });
  expect((await at('')).status).toBe(400);
  expect((await app.request(`/v1/runs/${crypto.randomUUID()}/context-history?key=n`)).status).toBe(404);
});
