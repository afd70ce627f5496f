'use strict';
// A worker of the build in a process of its own. It ends or stops itself at a named point, and notes what it does in a
// ledger outside of Temporal and PostgreSQL: what effects are counted by. Forked by test/support/kills/stage.ts.
const { appendFileSync, readFileSync } = require('node:fs');
const path = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');
const { z } = require('zod');
const { Context } = require('@temporalio/activity');

const SRC = path.join(__dirname, '..', '..', 'lib', 'src');
const load = (name) => require(path.join(SRC, name));
const { BaseAgent } = load('agents/base-agent');
const { loadAgents } = load('agents/loader');
const { createClient } = load('client/connect');
const { loadConfig } = load('config');
const { AgentManifest } = load('protocol/agent');
const { createWorker } = load('runtime/worker');
const { TolerantWorker } = load('runtime/tolerant-worker');
const { onReach } = load('telemetry/kill-points');
const { createLogger } = load('telemetry/log');
const { clerkAgent } = require('./kills/clerk-agent');
const { contextAgents } = require('./kills/context-agents');
const { talkers } = require('./kills/talkers');

/** The ledger's file, where to strike, and options of the SDK: { ledger, strike?: { point, nth, delayMs, signal }, sdk? } */
const { ledger, strike, sdk } = JSON.parse(process.env.KILLABLE);

/** Works for `seconds`, unless it is told to stop; with `attempts` just in its first ones; then it may fail. */
class PatientAgent extends BaseAgent {
  static manifest = {
    name: 'patient',
    version: '1.0.0',
    description: 'Works for some seconds and listens to its signal',
    input: z.object({
      seconds: z.number(),
      attempts: z.number().optional(),
      fails: z.boolean().default(false),
    }),
    output: z.object({ text: z.string() }),
  };

  async execute({ options }, { attempt, signal }) {
    const { seconds, attempts = attempt, fails } = options;
    if (attempt <= attempts) await sleep(seconds * 1_000, undefined, { signal });
    if (fails) throw new Error('told to fail');
    return { text: `worked for ${seconds} s` };
  }
}

/** Pays once, by a tool whose effect is a line in the ledger; what it can find out afterwards, it finds there. */
class PayingAgent extends BaseAgent {
  static manifest = {
    name: 'paying',
    version: '1.0.0',
    description: 'Pays through a tool',
    input: z.object({
      sideEffects: z.enum(['idempotent', 'dangerous']),
      reconciles: z.boolean().default(false),
      // From the effect to the tool's answer.
      seconds: z.number().default(0),
    }),
    output: z.object({ receipt: z.string() }),
  };

  async execute({ options: { sideEffects, reconciles, seconds } }, context) {
    const reconcile = async ({ idempotencyKey }) =>
      readFileSync(ledger, 'utf8').includes(idempotencyKey)
        ? { happened: true, result: { receipt: 'found' } }
        : { happened: false };
    const use = { name: 'till.pay', arguments: { francs: 5 }, step: '1', sideEffects };
    return context.tool({ ...use, ...(reconciles ? { reconcile } : {}) }, async ({ idempotencyKey }) => {
      note({ ...activity(), effect: idempotencyKey });
      await sleep(seconds * 1_000);
      return { receipt: 'printed' };
    });
  }
}

function note(entry) {
  appendFileSync(ledger, `${JSON.stringify({ ...entry, pid: process.pid })}\n`);
}

/** Whether anybody noted for this queue that it was struck so. */
function isNoted(struck) {
  const { queue } = activity() ?? {};
  const lines = readFileSync(ledger, 'utf8').split('\n').filter(Boolean);
  return lines
    .map((line) => JSON.parse(line))
    .some((entry) => entry.queue === queue && entry.struck === struck);
}

/** Who is at work; undefined outside of any activity. */
function activity() {
  try {
    const { taskQueue: queue, activityId, workflowExecution } = Context.current().info;
    return { queue, workflow: workflowExecution?.workflowId, activity: activityId };
  } catch {
    return undefined;
  }
}

let reached = 0;

function reach(point, where) {
  note({ ...where, point });
  // Derived: the completion is sent by the SDK once the activity has returned.
  const derived = point === 'completion.before' && strike?.point === 'completion.after';
  // A strike at any point counts those that agents pass, whichever they are.
  const any = strike?.point === 'any' && where?.activity !== undefined;
  if (strike === undefined || (point !== strike.point && !derived && !any)) return;
  reached += 1;
  if (reached !== strike.nth) return;
  if (strike.delayMs !== undefined && (derived || any)) setTimeout(() => hit(where), strike.delayMs);
  else hit(where);
}

function hit(where) {
  note({ ...where, struck: strike.point });
  process.kill(process.pid, strike.signal);
  // Nothing more may happen here, should the signal take its time. One that was stopped goes on after a moment.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, strike.signal === 'SIGKILL' ? 60_000 : 50);
}

/** What the SDK does around a workflow task: activations that only evict do not count. */
function watchWorkflowTasks() {
  const { handleActivation } = TolerantWorker.prototype;
  TolerantWorker.prototype.handleActivation = async function (workflow, given) {
    const { jobs } = given.activation;
    const counts = jobs.some(({ removeFromCache }) => !removeFromCache);
    // One that is not in the cache begins at its beginning.
    const cached = !jobs.some(({ initializeWorkflow }) => initializeWorkflow);
    const where = { queue: this.options.taskQueue, cached };
    if (counts) reach('workflow-task.before', where);
    const handled = await handleActivation.call(this, workflow, given);
    if (counts) reach('workflow-task.after', where);
    return handled;
  };
}

/** Gives the SDK options that the product does not offer. */
function withOptions(more) {
  const { create } = TolerantWorker;
  TolerantWorker.create = (options) => create.call(TolerantWorker, { ...options, ...more });
}

/** The same agents, with every execution noted. */
function noted(loaded) {
  const agentClass = class extends loaded.agentClass {
    async execute(task, context) {
      const where = activity();
      note({ ...where, body: 'begun' });
      try {
        return await super.execute(task, context);
      } finally {
        note({ ...where, body: 'ended' });
      }
    }
  };
  return { ...loaded, agentClass };
}

async function agentsOfTest() {
  const { agents, problems } = await loadAgents({ folders: [path.join(SRC, 'agents')] });
  const clerk = clerkAgent({ load, ledger, note, activity });
  const sharing = contextAgents({ load, note, activity });
  const talking = talkers({ load, note, activity, isNoted });
  const own = [PatientAgent, PayingAgent, clerk, ...sharing, ...talking].map((agentClass) => {
    const manifest = AgentManifest.parse(agentClass.manifest);
    return [manifest.name, { manifest, agentClass, file: __filename }];
  });
  const all = new Map([...agents, ...own]);
  return { agents: new Map([...all].map(([name, agent]) => [name, noted(agent)])), problems };
}

const workers = [];

/** Starts a run on a queue that it serves itself, with the worker's own connection. */
async function start({ queue, request }) {
  const { environment, worker } = workers.find((one) => one.environment.ENSEMBLE_TASK_QUEUE === queue);
  const client = await createClient({ environment, workerConnection: worker.connection });
  await client.start(request);
  await client[Symbol.asyncDispose]();
}

async function serve(queue) {
  // The key tells the model provider, which is another ledger, whose request it gets.
  const environment = { ...process.env, ENSEMBLE_TASK_QUEUE: queue, OPENAI_API_KEY: queue };
  const config = loadConfig(environment);
  const log = createLogger({ level: config.ENSEMBLE_LOG_LEVEL, format: 'json' });
  const worker = await createWorker({ config, environment, log, agents: await agentsOfTest() });
  workers.push({ environment, worker, running: worker.run() });
  process.send({ serving: queue });
}

async function stop() {
  for (const { worker } of workers) worker.shutdown();
  await Promise.all(workers.map(({ running }) => running));
  await Promise.all(workers.map(({ worker }) => worker[Symbol.asyncDispose]()));
  process.exit(0);
}

function fail(error) {
  process.stderr.write(`${error?.stack ?? error}\n`);
  process.exit(1);
}

onReach((point) => reach(point, activity()));
watchWorkflowTasks();
withOptions(sdk);
for (const event of ['SIGTERM', 'disconnect']) process.once(event, () => void stop().catch(fail));
process.on('message', ({ serve: queue, start: run }) => {
  (queue === undefined ? start(run) : serve(queue)).catch(fail);
});
