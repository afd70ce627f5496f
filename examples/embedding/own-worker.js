'use strict';
// Ensemble inside somebody's own Temporal worker: their workflow and a team of agents on one task queue, in one process.
const { Client, Connection } = require('@temporalio/client');
const { NativeConnection, Worker } = require('@temporalio/worker');
const { createClient } = require('ensemble');
const { EnsemblePlugin } = require('ensemble/worker');

const address = process.env.TEMPORAL_ADDRESS;
const taskQueue = process.env.ENSEMBLE_TASK_QUEUE ?? 'my-queue';

async function main() {
  const connection = await NativeConnection.connect({ address });
  const worker = await Worker.create({
    connection,
    taskQueue,
    workflowsPath: require.resolve('./workflows'),
    activities: {},
    plugins: [new EnsemblePlugin()],
  });
  const answers = await worker.runUntil(useBoth(connection));
  await connection.close();
  console.log(JSON.stringify(answers));
}

async function useBoth(workerConnection) {
  const temporal = new Client({ connection: await Connection.connect({ address }) });
  const greeting = await temporal.workflow.execute('greet', {
    taskQueue,
    workflowId: `greet-${Date.now()}`,
    args: ['you'],
  });
  await temporal.connection.close();
  const environment = { ...process.env, ENSEMBLE_TASK_QUEUE: taskQueue };
  const ensemble = await createClient({ environment, workerConnection });
  const task = 'Ships carry wheat. Wheat feeds people. The sea is wide.';
  const { status, output } = await ensemble.run({
    task,
    plan: { strategy: 'sequential', agents: ['summarizer'] },
  });
  await ensemble[Symbol.asyncDispose]();
  return { greeting, status, output };
}

void main().then(() => process.exit(0));
