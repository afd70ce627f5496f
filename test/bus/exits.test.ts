import { setTimeout as sleep } from 'node:timers/promises';
import type { AgentContext } from '../../src/agents/base-agent';
import { textOf } from '../../src/core/text';
import { anAgent } from '../support/agents';
import { until } from '../support/kills/until';
import { scriptedModel } from '../support/scripted-model';
import { startTeam, type Team } from '../support/team';
import { holdBus } from './support/talk';

const asked = (word: string) => ({ messages: [{ role: 'user' as const, text: word }] });

/** What of an agent leaves it, but for its messages. */
const EXITS: readonly (readonly [string, (context: AgentContext, word: string) => Promise<unknown>])[] = [
  [
    'a tool is called',
    (context, word) =>
      context.tool({ name: 'say', arguments: word, step: '1', sideEffects: 'none' }, async () => word),
  ],
  ['context is written at once', ({ context }, word) => context.compareAndSet('word', 0, word)],
  ['its journal is written', ({ journal }, word) => journal.append(word)],
  ['a model is asked', ({ model }, word) => model.invoke(asked(word))],
  ['a model streams', ({ model }, word) => model.invokeStreaming(asked(word))[Symbol.asyncIterator]().next()],
  ['tokens are counted', ({ model }, word) => model.countTokens(asked(word))],
  ['it commits', ({ bus }) => bus.commit()],
];

/** The test speaks with the two agents of a run, which are in its process. */
interface Scene {
  exit: (context: AgentContext, word: string) => Promise<unknown>;
  at: string;
  told: boolean;
}
const idle: Scene = { exit: async () => undefined, at: '', told: false };
let scene = idle;

const listener = anAgent('listener', async (_task, context) => {
  await context.bus.receive({ timeoutMs: 0 });
  scene.at = 'listening';
  const message = await context.bus.receive({ timeoutMs: 60_000 });
  scene.at = `heard ${message?.seq}`;
  await scene.exit(context, textOf(message?.content ?? null));
  scene.at = 'gone on';
  return message?.content;
});
const teller = anAgent('teller', async (_task, { bus }) => {
  await until(() => scene.told);
  await bus.send('listener', 'word');
  return 'said';
});

let team: Team;
beforeAll(async () => {
  team = await startTeam([listener, teller], scriptedModel({ text: 'answer' }, { text: 'answer' }));
});
afterAll(() => team[Symbol.asyncDispose]());

/** Lets the listener hear something that is kept from the log, and then has the test look at it. */
async function ahead(exit: Scene['exit'], look: (runId: string) => Promise<void>) {
  scene = { ...idle, exit };
  const { runId } = await team.client.start({
    task: 'talk',
    plan: { strategy: 'parallel', agents: ['listener', 'teller'] },
  });
  await team.client.messages.configure(runId, {});
  await until(() => scene.at === 'listening');
  await using bus = await holdBus(team.admin, runId);
  scene.told = true;
  await until(() => scene.at !== 'listening');
  await sleep(700);
  await look(runId);
  await bus.letGo();
  return { runId, result: await team.client.result(runId) };
}

test.each(EXITS)('before %s, what the agent has heard is in the log', async (_, exit) => {
  const { runId, result } = await ahead(exit, async () => {
    expect(scene.at).toBe('heard 0');
  });
  expect(result.status).toBe('completed');
  const { mailboxes } = await team.client.messages.counts(runId);
  expect(mailboxes).toEqual([{ member: 'listener', pending: 0, delivered: 1, consumed: 1 }]);
});

test('before its result counts, what the agent has heard is in the log', async () => {
  const { runId, result } = await ahead(idle.exit, async (id) => {
    expect(scene.at).toBe('gone on');
    const { rows } = await team.admin.query(
      `select from ensemble.agent_runs where run_id = $1 and agent = 'listener' and status = 'running'`,
      [id],
    );
    expect(rows).toHaveLength(1);
  });
  expect(result.status).toBe('completed');
  expect((await team.client.messages.history(runId)).map(({ content }) => content)).toEqual(['word']);
});
