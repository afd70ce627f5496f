import type { RunResult } from '../../src/protocol/run';
import type { Step } from '../../src/protocol/plan';
import { setStage, type Stage } from '../support/kills/stage';
import { expectOneStory } from '../support/kills/story';

const COUNT = 6;
/** Too large to travel with the run: a blob. */
const list = Array.from({ length: COUNT }, (_, i) => ({ odd: i % 2 === 1, filler: 'f'.repeat(2_000) }));
const plan: Step = {
  type: 'map',
  over: '/input/list',
  maxConcurrency: 2,
  step: {
    type: 'sequence',
    steps: [
      { type: 'agent', agent: 'patient', input: { seconds: 0 } },
      {
        type: 'agent',
        agent: 'patient',
        input: { seconds: 0.1 },
        when: { op: 'eq', pointer: '/item/odd', value: true },
      },
    ],
  },
};
const ADDRESSES = list.flatMap(({ odd }, i) => {
  const at = i === 0 ? '1' : `1#${i + 1}`;
  return odd ? [`${at}.1`, `${at}.2`] : [`${at}.1`];
});

const KILLS = [
  ['once the list is known, and nobody has heard of it', 'workflow-task.after', 1],
  ['with two entries at work', 'open.after', 4],
  ['when an entry is done, and the workflow has not heard of it', 'close.after', 5],
  ['when the workflow has started the next entry, and nobody knows', 'workflow-task.after', 5],
] as const;

let stage: Stage;
const scenes = new Map<string, Promise<RunResult>>();

// All at once: most of the time goes by until the server misses the dead.
beforeAll(async () => {
  stage = await setStage();
  for (const [, point, nth] of KILLS) {
    const scene = killed(point, nth);
    scene.catch(() => undefined);
    scenes.set(`${point}-${nth}`, scene);
  }
});
afterAll(() => stage[Symbol.asyncDispose]());

async function killed(point: string, nth: number): Promise<RunResult> {
  const queue = `${point}-${nth}`;
  const victim = stage.worker({ strike: { point, nth, signal: 'SIGKILL' } });
  await victim.serve(queue);
  const { runId } = await stage.start(queue, { task: 'Go over it', plan, input: { list } });
  if ((await victim.ended()).signal !== 'SIGKILL') throw new Error(`It was not killed: ${victim.output}`);
  await stage.worker().serve(queue);
  return await stage.client.result(runId);
}

test.each(KILLS)(
  'a worker killed %s: the map goes on, and every entry is done once',
  async (_when, point, nth) => {
    const result = await scenes.get(`${point}-${nth}`);
    if (result === undefined) throw new Error(`There is no scene at ${point}`);
    expect(result).toMatchObject({ status: 'completed', degraded: [] });
    const said = list.map(({ odd }) => ({ text: `worked for ${odd ? 0.1 : 0} s` }));
    expect(result.output).toEqual(said);
    await expectOneStory(stage.admin, result.runId, ADDRESSES);
  },
  120_000,
);
