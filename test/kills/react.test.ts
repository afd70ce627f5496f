import type { ReactAnswer } from '../../src/agents/built-in/react-loop';
import type { RunResult } from '../../src/protocol/run';
import { Random } from '../gate/support/random';
import { setStage, type Stage } from '../support/kills/stage';
import { expectOneStory } from '../support/kills/story';
import type { WorkerProcess } from '../support/kills/worker-process';
import type { RecordedRequest, ScriptedAnswer } from '../support/provider-server/script';

const LONG = process.env['ENSEMBLE_TEST_LONG'] !== undefined;
const SEED = 4711;
/** Each run loses its worker so often, at moments drawn by the seed: 20 deaths, and 100 in the long form. */
const RUNS = LONG ? 20 : 10;
const KILLS = LONG ? 5 : 2;
/** A process that starts takes a core for more than a second. */
const STARTING_AT_ONCE = 4;
/** Points passed by an attempt that is not disturbed, with a margin: a strike beyond them would come too late. */
const POINTS = 60;
/** Within a call of a tool, and within a statement. */
const MOST_DELAY_MS = 120;

/** What the model does turn by turn; a call is a tool's name and an item. */
const TURNS: readonly (readonly string[])[] = [
  ['look shelf', 'file order', 'pay baker'],
  ['look shelf', 'look cellar'],
  ['file order', 'pay baker', 'pay miller', 'look attic'],
  ['pay carter'],
  ['file receipt', 'look shelf', 'pay baker'],
];
const CALLS = TURNS.flat().length;

let stage: Stage;
let finisher: WorkerProcess;
beforeAll(async () => {
  stage = await setStage();
  stage.provider.play(clerkModel);
  finisher = stage.worker();
});
afterAll(() => stage[Symbol.asyncDispose]());

/** Decides by the conversation alone, so that a call made again gets the same answer. */
function clerkModel({ body }: RecordedRequest): ScriptedAnswer {
  const messages = body['messages'] as readonly { readonly role: string; readonly content: string }[];
  const turn = messages.filter(({ role }) => role === 'assistant').length;
  const calls = TURNS[turn];
  const common = { delayMs: 40, deltaChars: 4, usage: { input: 100 * (turn + 1), output: 10 } };
  if (calls === undefined) {
    const results = messages.filter(({ role }) => role === 'tool').map(({ content }) => content);
    return { ...common, text: `All is done: ${results.join('; ')}` };
  }
  const toolCalls = calls.map((call, index) => {
    const [name = '', item] = call.split(' ');
    return { id: `call_${turn}_${index}`, name, arguments: { item } };
  });
  return { ...common, text: `Turn ${turn}`, toolCalls };
}

interface Death {
  readonly pid: number;
  /** Keys of the calls whose outcome PostgreSQL had when the process was dead. */
  readonly known: ReadonlySet<string>;
}

interface Scene {
  readonly queue: string;
  readonly result: RunResult;
  readonly deaths: readonly Death[];
}

async function started(queue: string): Promise<string> {
  // A killed worker costs 15 s of silence; what comes after them need not.
  const retry = { maxAttempts: 20, initialIntervalMs: 50, maxIntervalMs: 50 };
  const plan = { type: 'agent' as const, agent: 'clerk', retry };
  return (await stage.start(queue, { task: 'Do what is on the list', plan })).runId;
}

/** Kills worker after worker of one run, each at its moment, and lets another finish. */
async function killed(number: number, room: Room): Promise<Scene> {
  const random = new Random(SEED + number);
  const queue = `react-${number}-${crypto.randomUUID()}`;
  const deaths: Death[] = [];
  let runId: string | undefined;
  for (let kill = 0; kill < KILLS; kill += 1) {
    const nth = 1 + random.below(Math.floor(POINTS / KILLS));
    const delayMs = random.below(MOST_DELAY_MS);
    const victim = stage.worker({ strike: { point: 'any', nth, delayMs, signal: 'SIGKILL' } });
    await room(() => victim.serve(queue));
    runId ??= await started(queue);
    const end = await Promise.race([victim.ended(), stage.client.result(runId)]);
    if (!('signal' in end)) throw new Error(`Run ${number} ended before kill ${kill + 1}, point ${nth}`);
    if (end.signal !== 'SIGKILL') throw new Error(`A worker ended with ${end.code}: ${victim.output}`);
    deaths.push({ pid: victim.pid, known: await knownCalls(runId) });
  }
  if (runId === undefined) throw new Error('There was no kill');
  await finisher.serve(queue);
  return { queue, deaths, result: await stage.client.result(runId) };
}

async function knownCalls(runId: string): Promise<ReadonlySet<string>> {
  const text = 'select key from ensemble.tool_calls where run_id = $1 and ended_at is not null';
  const { rows } = await stage.admin.query<{ key: string }>(text, [runId]);
  return new Set(rows.map(({ key }) => key));
}

type Room = (work: () => Promise<void>) => Promise<void>;

/** Lets so many pieces of work run at once. */
function roomFor(most: number): Room {
  const running = new Set<Promise<void>>();
  return async (work) => {
    while (running.size >= most) await Promise.race(running);
    const mine = work().finally(() => running.delete(mine));
    running.add(mine);
    await mine;
  };
}

function modelRequests(queue: string): readonly RecordedRequest[] {
  return stage.provider.requests.filter(({ headers }) => headers.authorization === `Bearer ${queue}`);
}

const answerOf = ({ output }: RunResult): ReactAnswer => output as unknown as ReactAnswer;

test(`a react run whose workers are killed at ${RUNS * KILLS} random moments goes on at the exact step`, async () => {
  const quietQueue = `react-quiet-${crypto.randomUUID()}`;
  await finisher.serve(quietQueue);
  const quiet = await stage.client.result(await started(quietQueue));
  expect(answerOf(quiet).text.match(/: done/g)).toHaveLength(CALLS);
  expect(modelRequests(quietQueue)).toHaveLength(TURNS.length + 1);
  expect(stage.ledger.of(quietQueue).filter(({ effect }) => effect !== undefined)).toHaveLength(CALLS);

  const room = roomFor(STARTING_AT_ONCE);
  const scenes = await Promise.all(Array.from({ length: RUNS }, (_, number) => killed(number, room)));
  expect(scenes.flatMap(({ deaths }) => deaths)).toHaveLength(RUNS * KILLS);
  let repeatedModelCalls = 0;
  let interruptedCalls = 0;
  for (const { queue, result, deaths } of scenes) {
    expect(result).toMatchObject({ status: 'completed', failure: null });
    expect(result.output).toEqual(quiet.output);
    await expectOneStory(stage.admin, result.runId, ['0']);

    const extra = modelRequests(queue).length - (TURNS.length + 1);
    expect(extra).toBeGreaterThanOrEqual(0);
    expect(extra).toBeLessThanOrEqual(deaths.length);
    repeatedModelCalls += extra;

    const effects = stage.ledger.of(queue).filter(({ effect }) => effect !== undefined);
    const calls = await stage.client.toolCalls(result.runId);
    expect(new Set(effects.map(({ effect }) => effect))).toEqual(new Set(calls.map(({ key }) => key)));
    for (const { key, tool, status } of calls) {
      expect([tool, status]).toEqual([tool, 'done']);
      const doers = effects.filter(({ effect }) => effect === key).map(({ pid }) => pid);
      if (tool === 'pay') expect([tool, doers.length]).toEqual([tool, 1]);
      expect(doers.length).toBeLessThanOrEqual(1 + deaths.length);
      interruptedCalls += doers.length - 1;
      // What PostgreSQL knew when a worker was dead, nobody did again.
      const knownAt = deaths.findIndex(({ known }) => known.has(key));
      const before = deaths.slice(0, knownAt + 1).map(({ pid }) => pid);
      if (knownAt >= 0) expect(doers.filter((pid) => !before.includes(pid))).toEqual([]);
    }
  }
  // Moments that all fell between two calls would show nothing.
  expect(repeatedModelCalls).toBeGreaterThan(0);
  expect(interruptedCalls).toBeGreaterThan(0);
}, 600_000);
