import type { RunResult } from '../../src/protocol/run';
import { KILL_POINTS, type KillPoint, onReach, reach } from '../../src/telemetry/kill-points';
import { fruitOf, mainJob } from '../support/kills/main-job';
import { setStage, type Stage } from '../support/kills/stage';
import { conversationOf, expectOneStory } from '../support/kills/story';
import type { WorkerProcess } from '../support/kills/worker-process';

/** The points of the product, and those that only the SDK passes, which the worker of these tests watches. */
const SDK_POINTS = ['completion.after', 'workflow-task.before', 'workflow-task.after'] as const;
type Point = KillPoint | (typeof SDK_POINTS)[number];
const POINTS: readonly Point[] = [...KILL_POINTS, ...SDK_POINTS];

/** In the middle of the job where a point is passed often; the third agent is one of three that run at once. */
const NTH: Readonly<Record<Point, number>> = {
  'open.before': 2,
  'open.after': 3,
  'tool.before': 2,
  'outcome.before': 2,
  'tool.after': 3,
  'model.before': 1,
  'model.after': 1,
  'context.before': 1,
  'context.written': 1,
  'context.after': 1,
  'heartbeat.before': 2,
  'heartbeat.after': 3,
  'close.before': 3,
  'close.after': 3,
  'completion.before': 2,
  'completion.after': 1,
  'workflow-task.before': 2,
  'workflow-task.after': 3,
};
const DERIVED_AFTER_MS = 200;
const ADDRESSES = [
  '1',
  '2.1',
  '2.2',
  '2.3',
  '3',
  '4.1.1.1',
  '4.1.1.2',
  '4.2.1.1',
  '4.2.1.2',
  '4.3.1.1',
  '4.3.1.2',
  '4.3.2',
];
/** A process that starts takes a core for more than a second: more of them at once only wait for each other. */
const VICTIMS_AT_ONCE = 4;

interface Scene {
  readonly queue: string;
  readonly result: RunResult;
}

interface KillScene extends Scene {
  /** The pid of the process that died. */
  readonly victim: number;
}

let stage: Stage;
let finisher: WorkerProcess;
let undisturbed: Promise<Scene>;
const scenes = new Map<Point, Promise<KillScene>>();

beforeAll(async () => {
  stage = await setStage();
  finisher = stage.worker();
  undisturbed = quietRun();
  await undisturbed;
  const deaths: Promise<unknown>[] = [];
  for (const [index, point] of POINTS.entries()) {
    const before = deaths[index - VICTIMS_AT_ONCE] ?? Promise.resolve();
    const death = before.then(() => killAt(point));
    deaths.push(death.catch(() => undefined));
    const scene = death.then(({ finished }) => finished);
    // Each test looks at its own; until then a failure must not count as unhandled.
    scene.catch(() => undefined);
    scenes.set(point, scene);
  }
}, 60_000);
afterAll(() => stage[Symbol.asyncDispose]());

async function quietRun(): Promise<Scene> {
  const queue = `undisturbed-${crypto.randomUUID()}`;
  await finisher.serve(queue);
  const { runId } = await stage.start(queue, await mainJob(stage.client));
  return { queue, result: await stage.client.result(runId) };
}

/** Starts the job, waits for its worker's death, and lets another worker finish it. */
async function killAt(point: Point): Promise<{ readonly finished: Promise<KillScene> }> {
  const queue = `${point}-${crypto.randomUUID()}`;
  const victim = stage.worker({
    strike: { point, nth: NTH[point], signal: 'SIGKILL', delayMs: DERIVED_AFTER_MS },
  });
  await victim.serve(queue);
  const { runId } = await stage.start(queue, await mainJob(stage.client));
  const death = victim.ended();
  const survived = stage.client.result(runId).then(() => 'survived' as const);
  survived.catch(() => undefined);
  if ((await Promise.race([death, survived])) === 'survived')
    throw new Error(`The run ended and its worker never reached ${point} ${NTH[point]} times`);
  const { code, signal } = await death;
  if (signal !== 'SIGKILL') throw new Error(`The worker ended with ${code}: ${victim.output}`);
  await finisher.serve(queue);
  const finished = stage.client.result(runId).then((result) => ({ queue, result, victim: victim.pid }));
  finished.catch(() => undefined);
  return { finished };
}

async function sceneOf(point: Point): Promise<KillScene> {
  const scene = await scenes.get(point);
  if (scene === undefined) throw new Error(`There is no scene at ${point}`);
  return scene;
}

test('whoever asks is told of every point, until they ask no more', () => {
  const told: string[] = [];
  onReach((point) => void told.push(point));
  for (const point of KILL_POINTS) reach(point);
  onReach(undefined);
  reach('open.before');
  expect(told).toEqual(KILL_POINTS);
});

test('the undisturbed job does everything once', async () => {
  const { queue, result } = await undisturbed;
  expect(result).toMatchObject({ status: 'completed', degraded: [] });
  expect(Object.values(stage.ledger.begun(queue))).toEqual(ADDRESSES.map(() => 1));
  expect(modelRequests(queue)).toBe(1);
  await expectOneStory(stage.admin, result.runId, ADDRESSES);
});

describe('a worker that is killed changes nothing of what the job comes to', () => {
  test.each(POINTS)(
    'at %s',
    async (point) => {
      const { queue, result, victim } = await sceneOf(point);
      const notes = stage.ledger.of(queue);
      const strikes = notes.filter(({ struck }) => struck !== undefined);
      expect(strikes).toMatchObject([{ struck: point, pid: victim }]);
      const reference = (await undisturbed).result;
      expect(await fruitOf(stage.client, result)).toEqual(await fruitOf(stage.client, reference));
      // Nothing is said twice either.
      const said = await conversationOf(stage.admin, result.runId);
      expect(said).toEqual(await conversationOf(stage.admin, reference.runId));
      expect(said.length).toBeGreaterThan(0);
      await expectOneStory(stage.admin, result.runId, ADDRESSES);

      // An agent works again only where its death was its worker's: what was closed is never repeated.
      const ofVictim = (wanted: string) =>
        new Set(
          notes.flatMap((note) =>
            note.pid === victim && (note.point === wanted || note.body === wanted) ? note.activity : [],
          ),
        );
      const [begun, closing, closed] = ['begun', 'close.before', 'close.after'].map(ofVictim);
      for (const [activity, times] of Object.entries(stage.ledger.begun(queue))) {
        const interrupted = begun?.has(activity) === true && closed?.has(activity) !== true;
        // A close under way when the process died may have reached PostgreSQL or not; that of the victim did not yet.
        const unsent = point === 'close.before' && strikes[0]?.activity === activity;
        const unknown = interrupted && closing?.has(activity) === true && !unsent;
        expect([activity, times]).toEqual([activity, interrupted && !(unknown && times === 1) ? 2 : 1]);
      }
      const writer = stage.ledger.begun(queue)['4.3.2 report-writer'] ?? 0;
      expect(modelRequests(queue)).toBeLessThanOrEqual(writer);
      expect(modelRequests(queue)).toBeGreaterThanOrEqual(1);
    },
    120_000,
  );
});

test('a crash between commit and completion: the repeated opening answers with what is stored', async () => {
  const { queue, result } = await sceneOf('close.after');
  const struck = stage.ledger.of(queue).find((note) => note.struck !== undefined);
  const name = struck?.activity ?? '';
  expect(stage.ledger.begun(queue)[name]).toBe(1);
  const opened = stage.ledger.of(queue).filter((n) => n.activity === name && n.point === 'open.after');
  expect(opened).toHaveLength(2);
  // The second opening did not even count as an attempt.
  const [address] = name.split(' ');
  expect(result.agents.find((agent) => agent.address === address)).toMatchObject({
    status: 'completed',
    attempts: 1,
  });
}, 120_000);

function modelRequests(queue: string): number {
  return stage.provider.requests.filter(({ headers }) => headers.authorization === `Bearer ${queue}`).length;
}
