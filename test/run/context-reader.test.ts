import { symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Client } from '@temporalio/client';
import { NativeConnection, Worker } from '@temporalio/worker';
import { createContextReader } from '../../src/activities/context-reader';
import { bundleWorkflows } from '../../src/runtime/bundle';
import { dataConverter } from '../../src/runtime/data-converter';
import { temporalTarget } from '../../src/runtime/temporal';
import { anAgent } from '../support/agents';
import { startTeam, temporaryFolder, type Team } from '../support/team';

let team: Team;
beforeAll(async () => {
  team = await startTeam([anAgent('quick', () => 'quick')]);
});
afterAll(() => team[Symbol.asyncDispose]());

/** Takes the place of a run, and answers with what it was started with, or what nobody can read. */
const IMPOSTOR = `
const { condition, defineQuery, setHandler } = require('@temporalio/workflow');
const { RawValue } = require('@temporalio/common');
exports.impostor = async (answer) => {
  const odd = RawValue.fromPayload({ metadata: { encoding: new TextEncoder().encode('odd') } });
  setHandler(defineQuery('contextEntries'), () => (answer === 'odd' ? odd : answer));
  await condition(() => false);
};`;

async function withImpostor(answer: unknown, work: (runId: string) => Promise<void>): Promise<void> {
  using folder = temporaryFolder('impostor');
  symlinkSync(resolve('node_modules'), join(folder.path, 'node_modules'));
  writeFileSync(join(folder.path, 'impostor.js'), IMPOSTOR);
  const connection = await NativeConnection.connect(temporalTarget(team.environment).connectionOptions);
  const runId = crypto.randomUUID();
  const taskQueue = `impostor-${runId}`;
  const worker = await Worker.create({
    connection,
    taskQueue,
    dataConverter,
    workflowBundle: { code: await bundleWorkflows(join(folder.path, 'impostor.js')) },
  });
  const start = { taskQueue, workflowId: `run-${runId}`, args: [answer] };
  const handle = await team.temporal.workflow.start('impostor', start);
  await worker.runUntil(() => work(runId));
  await handle.terminate();
  await connection.close();
}

test.each([
  ['odd', 'INTERNAL', /cannot be decoded: unknown encoding "odd"/],
  [7, 'INTERNAL', /something that is no context/],
  [null, 'INTERNAL', /something that is no context/],
])('an answer that is %p is a typed failure', async (answer, code, message) => {
  await withImpostor(answer, async (runId) => {
    const read = createContextReader(team.temporal);
    await expect(read(runId, 'key')).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  });
});

test('a run that does not answer is given up after a deadline, in words that another attempt may cure', async () => {
  const runId = crypto.randomUUID();
  const start = { taskQueue: `nobody-${runId}`, workflowId: `run-${runId}` };
  const handle = await team.temporal.workflow.start('teamRun', start);
  const read = createContextReader(team.temporal, 300);
  await expect(read(runId, 'key')).rejects.toMatchObject({
    code: 'TEMPORAL_UNAVAILABLE',
    // Client or server, whichever is the first to see that the time is over: each words it in its own way.
    message: expect.stringMatching(/^The run's context cannot be read: ./),
  });
  await handle.terminate();
  await expect(read(crypto.randomUUID(), 'key')).rejects.toMatchObject({ code: 'TEMPORAL_UNAVAILABLE' });
});

test('whoever reads while a question is under way asks with the next one, of which a run gets one at a time', async () => {
  const { runId } = await team.client.run({ task: 'Ask', plan: { type: 'agent', agent: 'quick' } });
  let [inFlight, most, questions] = [0, 0, 0];
  const { connection, options } = team.temporal;
  const counting = new Client({
    connection,
    namespace: options.namespace,
    dataConverter,
    interceptors: {
      workflow: [
        {
          query: (input, next) => {
            questions += 1;
            most = Math.max(most, (inFlight += 1));
            return next(input).finally(() => (inFlight -= 1));
          },
        },
      ],
    },
  });
  const read = createContextReader(counting);
  const keys = ['task', 'task', 'run_id', 'missing', 'toString'];
  const values = await Promise.all(keys.map((key) => read(runId, key)));
  const [task, id] = ['Ask', runId].map((inline) => ({ value: { inline }, version: 1, author: 'run' }));
  expect(values).toEqual([task, task, id, undefined, undefined]);
  expect([most, questions]).toEqual([1, 2]);
  const status = { value: { inline: 'completed' }, version: 2, author: 'run' };
  await expect(read(runId, 'status')).resolves.toEqual(status);
});
