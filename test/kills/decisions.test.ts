import type { JsonObject } from '../../src/protocol/json';
import type { AgentStep, Step } from '../../src/protocol/plan';
import { setStage, type Stage } from '../support/kills/stage';

let stage: Stage;
beforeAll(async () => {
  stage = await setStage();
});
afterAll(() => stage[Symbol.asyncDispose]());

const patient = (input: JsonObject): AgentStep => ({
  type: 'agent',
  agent: 'patient',
  input: { seconds: 0.1, ...input },
});
const failing: AgentStep = { ...patient({ fails: true }), retry: { maxAttempts: 1 }, onFailure: 'skip' };
/** What skips the first step starts the second: the decision rides in its opening alone. */
const plan: Step = { type: 'sequence', steps: [failing, patient({})] };

/** A run whose only worker dies as it is about to open step 2: the decision is in that activity's input, nowhere else. */
async function decidedAndGone(): Promise<{ readonly queue: string; readonly runId: string }> {
  const queue = `decisions-${crypto.randomUUID()}`;
  const worker = stage.worker({ strike: { point: 'open.before', nth: 2, signal: 'SIGKILL' } });
  await worker.serve(queue);
  const { runId } = await stage.start(queue, { task: 'Decide', plan });
  expect(await worker.ended()).toEqual({ code: null, signal: 'SIGKILL' });
  expect((await storyOf(runId)).join()).not.toContain('skipped');
  return { queue, runId };
}

async function storyOf(runId: string): Promise<string[]> {
  const text = 'select type, address from ensemble.run_events where run_id = $1 order by seq';
  const { rows } = await stage.admin.query<{ type: string; address: string | null }>(text, [runId]);
  return rows.map(({ type, address }) => (address === null ? type : `${type} ${address}`));
}

async function expectDecisionBefore(runId: string, after: readonly string[]): Promise<void> {
  const story = await storyOf(runId);
  const decision = story.indexOf('agent.skipped 1');
  expect(decision).toBeGreaterThan(story.indexOf('agent.failed 1'));
  expect(story.slice(decision + 1)).toEqual(after);
  expect(story.filter((line) => line.startsWith('agent.skipped'))).toEqual(['agent.skipped 1']);
}

describe('the worker dies before the activity that carries a decision has begun', () => {
  test.concurrent('and the next one tells the decision first', async () => {
    const { queue, runId } = await decidedAndGone();
    await stage.worker().serve(queue);
    expect(await stage.client.result(runId)).toMatchObject({ status: 'completed' });
    await expectDecisionBefore(runId, ['agent.started 2', 'agent.completed 2', 'run.completed']);
  });

  test.concurrent('and the run is cancelled', async () => {
    const { queue, runId } = await decidedAndGone();
    await stage.client.cancel(runId);
    await stage.worker().serve(queue);
    expect(await stage.client.result(runId)).toMatchObject({
      status: 'cancelled',
      degraded: [{ address: '1', instead: 'skipped' }],
    });
    await expectDecisionBefore(runId, ['agent.failed 2', 'run.cancelled']);
  });

  test.concurrent('and the run is terminated, with nobody there to take the activity', async () => {
    const { runId } = await decidedAndGone();
    await stage.temporal.workflow.getHandle(`run-${runId}`).terminate('an operator said so');
    expect(await stage.client.result(runId)).toMatchObject({
      status: 'failed',
      failure: { code: 'RUN_TERMINATED' },
    });
    await expectDecisionBefore(runId, ['run.failed']);
  });
});
