import type { Step } from '../../src/protocol/plan';
import type { RunResult } from '../../src/protocol/run';
import { setStage, type Stage } from '../support/kills/stage';
import { storyOf } from './support/story';

const options = ['left', 'right'].map((id) => ({
  id,
  step: { type: 'agent', agent: 'patient', input: { seconds: 0 } } as const,
}));
const plan: Step = { type: 'adaptive', options, router: { by: 'model' } };

/** Every answer names another option: a router that is asked twice would be found out by what it says. */
const ANSWERS = ['left', 'right', 'finish', 'left', 'left'];

const KILLS = [
  ['before the chosen step has begun', 'open.before'],
  ['once the chosen step has begun', 'open.after'],
  ['when the workflow has heard the answer', 'workflow-task.before'],
  ['when the workflow has decided, and nobody knows', 'workflow-task.after'],
] as const;

let stage: Stage;
const scenes = new Map<string, Promise<RunResult>>();

// All at once: most of the time goes by until the server misses the dead.
beforeAll(async () => {
  stage = await setStage();
  stage.provider.play((request) => {
    const number = asked(request.headers.authorization).length;
    return { text: JSON.stringify({ next: ANSWERS[number - 1], reason: `answer ${number}` }) };
  });
  for (const [, point] of KILLS) {
    const scene = killed(point);
    scene.catch(() => undefined);
    scenes.set(point, scene);
  }
});
afterAll(() => stage[Symbol.asyncDispose]());

function asked(authorization: string | undefined) {
  return stage.provider.requests.filter(({ headers }) => headers.authorization === authorization);
}

async function killed(point: string): Promise<RunResult> {
  const victim = stage.worker({ strike: { point, nth: 2, signal: 'SIGKILL' } });
  await victim.serve(point);
  const { runId } = await stage.start(point, { task: 'Choose', plan });
  if ((await victim.ended()).signal !== 'SIGKILL') throw new Error(`It was not killed: ${victim.output}`);
  await stage.worker().serve(point);
  return await stage.client.result(runId);
}

test.each(KILLS)(
  'a worker killed %s: the router is not asked again, and its decision stands',
  async (_when, point) => {
    const result = await scenes.get(point);
    if (result === undefined) throw new Error(`There is no scene at ${point}`);
    expect(result).toMatchObject({ status: 'completed', degraded: [] });
    expect(result.agents.map(({ address }) => address)).toEqual(['router', '1', 'router#2', '2', 'router#3']);
    expect(asked(`Bearer ${point}`)).toHaveLength(3);
    const story = await storyOf(stage.client, result.runId);
    const decided = story.filter(({ type }) => type === 'step.decided');
    expect(decided.map(({ data }) => [data['chosen'], data['reason']])).toEqual([
      ['left', 'answer 1'],
      ['right', 'answer 2'],
      ['finish', 'answer 3'],
    ]);
  },
  120_000,
);
