import { setTimeout as sleep } from 'node:timers/promises';
import { defaultPayloadConverter, type Payload } from '@temporalio/common';
import { NativeConnection } from '@temporalio/worker';
import type { Json } from '../../src/protocol/json';
import { STEP_TYPES } from '../../src/protocol/plan';
import { isUndecodable } from '../../src/protocol/undecodable';
import { dataConverter } from '../../src/runtime/data-converter';
import { temporalTarget } from '../../src/runtime/temporal';
import { TolerantWorker } from '../../src/runtime/tolerant-worker';
import { checkInput } from '../../src/workflows/check-input';
import { payloadConverter } from '../../src/workflows/payload-converter';
import { anAgent } from '../support/agents';
import { bundled } from '../support/bundled';
import { startTeam, type Team } from '../support/team';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

function encoded(encoding: string, data?: string, messageType?: string): Payload {
  const type = messageType === undefined ? {} : { messageType: bytes(messageType) };
  return {
    metadata: { encoding: bytes(encoding), ...type },
    ...(data === undefined ? {} : { data: bytes(data) }),
  };
}

const json = (value: unknown): Payload => encoded('json/plain', JSON.stringify(value));
const nested = (levels: number): string => `${'['.repeat(levels)}${']'.repeat(levels)}`;
const REFERENCE = 'temporal.api.sdk.v1.ExternalStorageReference';

/** What nobody can read. */
const UNREADABLE: readonly [string, Payload][] = [
  ['broken JSON', encoded('json/plain', '{"a":')],
  ['JSON of no bytes', encoded('json/plain', '')],
  ['JSON of null data', { ...encoded('json/plain'), data: null }],
  ['invalid UTF-8', { ...encoded('json/plain'), data: new Uint8Array([0x22, 0xff, 0xfe, 0xc0]) }],
  ['an unknown encoding', encoded('binary/encrypted', 'x')],
  ['an endless encoding', encoded('x\n'.repeat(1_000), 'x')],
  ['an empty payload', {}],
  ['no metadata', { data: bytes('{}') }],
  ['null metadata', { metadata: null, data: bytes('{}') }],
  ['metadata without encoding', { metadata: { other: bytes('json/plain') }, data: bytes('{}') }],
  ['protobuf garbage', encoded('json/protobuf', '{{{{')],
  ['binary protobuf garbage', encoded('binary/protobuf', '\u0001\u0002', 'some.Message')],
  ['a reference to external storage', encoded('json/protobuf', '{"driverName":"s3"}', REFERENCE)],
  ['a broken reference to external storage', encoded('json/protobuf', '{{{{', REFERENCE)],
];

/** What can be read, and is not what anybody wants. */
const UNWANTED: readonly [string, Payload][] = [
  ['JSON null', json(null)],
  ['a number', json(7)],
  ['a list', json([[]])],
  ['an object', json({ __proto__: null, constructor: 'x', toJSON: 'y' })],
  ['an object that says so itself', json({ undecodable: 'not really' })],
  ['binary/null', encoded('binary/null')],
  ['binary/plain', encoded('binary/plain', 'bytes')],
  ['1 MB of text', json('x'.repeat(1024 * 1024))],
  ['100,000 levels of nesting', encoded('json/plain', nested(100_000))],
];

const ARGUMENTS: readonly [string, Payload[]][] = [
  ...[...UNREADABLE, ...UNWANTED].map(([name, payload]): [string, Payload[]] => [name, [payload]]),
  ['an empty payload list', []],
  ['one argument too many', [json('task'), encoded('x'), {}]],
];

const gates = new Map<string, () => void>();
const held = anAgent('held', async (_task, { runId }) => {
  await new Promise<void>((open) => gates.set(runId, open));
  return 'done';
});

let team: Team;
beforeAll(async () => {
  team = await startTeam([held]);
});
afterAll(() => team[Symbol.asyncDispose]());

const raw = () => team.temporal.workflowService;
const namespace = 'default';
const header = {
  fields: { broken: encoded('json/plain', '{'), reference: encoded('json/protobuf', '', REFERENCE) },
};

/** Without a deadline, a request to a wedged workflow would outlive the test. */
const soon = <T>(request: () => Promise<T>): Promise<T> =>
  team.temporal.connection.withDeadline(Date.now() + 10_000, request);

const signal = (workflowId: string, signalName: string, payloads: Payload[]) =>
  raw().signalWorkflowExecution({
    namespace,
    workflowExecution: { workflowId },
    signalName,
    header,
    input: { payloads },
  });

const update = (workflowId: string, name: string, payloads: Payload[]) =>
  soon(() =>
    raw().updateWorkflowExecution({
      namespace,
      workflowExecution: { workflowId },
      waitPolicy: { lifecycleStage: 3 },
      request: { meta: { updateId: crypto.randomUUID() }, input: { name, header, args: { payloads } } },
    }),
  );

async function query(workflowId: string, queryType: string, payloads: Payload[]): Promise<unknown> {
  const query = { queryType, header, queryArgs: { payloads } };
  const { queryResult } = await soon(() =>
    raw().queryWorkflow({ namespace, execution: { workflowId }, query }),
  );
  const [answer] = queryResult?.payloads ?? [];
  return answer && defaultPayloadConverter.fromPayload(answer);
}

/** The workflow tasks that went wrong, read as they lie: a client that decodes histories refuses references. */
async function failedTasks(workflowId: string): Promise<unknown[]> {
  const found: unknown[] = [];
  let nextPageToken: Uint8Array | undefined;
  do {
    const execution = { workflowId };
    const page = await raw().getWorkflowExecutionHistory({
      namespace,
      execution,
      // The client takes no answer above 4 MB, and these events are large.
      maximumPageSize: 3,
      ...(nextPageToken && { nextPageToken }),
    });
    for (const event of page.history?.events ?? [])
      if (event.workflowTaskFailedEventAttributes ?? event.workflowTaskTimedOutEventAttributes)
        found.push(event);
    nextPageToken = page.nextPageToken?.length ? page.nextPageToken : undefined;
  } while (nextPageToken !== undefined);
  return found;
}

describe('the payload converter', () => {
  test.each(UNREADABLE)('makes a value of %s, in one short line that quotes nothing', (_, payload) => {
    const value = payloadConverter.fromPayload<unknown>(payload);
    expect(isUndecodable(value)).toBe(true);
    expect(isUndecodable(value) && value.undecodable).toMatch(/^(the payload|unknown encoding) .{1,150}$/);
  });

  test.each([[undefined], [null], [7], ['text'], [{ a: [1] }], [bytes('x')]])(
    'carries %p as ever',
    (value) => {
      const payload = payloadConverter.toPayload(value);
      expect(payload).toEqual(defaultPayloadConverter.toPayload(value));
      expect(payloadConverter.fromPayload(payload)).toEqual(value);
    },
  );
});

describe('a run under way', () => {
  let workflowId: string;
  let runId: string;
  beforeAll(async () => {
    ({ runId, workflowId } = await team.client.start({
      task: 'Stay',
      plan: { type: 'agent', agent: 'held' },
    }));
    while (!gates.has(runId)) await sleep(20);
  });

  test.each(ARGUMENTS)('takes any signal and update with %s', async (_, payloads) => {
    for (const name of ['unknown', 'bus.deliver', 'context', '__proto__', '__temporal_own']) {
      await signal(workflowId, name, payloads);
      // Its answer says that the task with the signal is done: too many bytes in one task make the server end it.
      const { outcome } = await update(workflowId, name, payloads);
      expect(outcome?.failure?.message).toBe(`No registered handler for update: ${name}`);
    }
  });

  test.each(ARGUMENTS)('answers every query with %s', async (_, payloads) => {
    expect(await query(workflowId, 'roster', payloads)).toMatchObject([{ name: 'held', status: 'busy' }]);
    expect(await query(workflowId, 'plan', payloads)).toMatchObject({
      plan: { type: 'agent', agent: 'held' },
    });
    await expect(query(workflowId, 'unknown', payloads)).rejects.toThrow('did not register a handler');
  });

  test.each([...UNREADABLE, ...UNWANTED.filter(([name]) => !/null$|text$/.test(name))])(
    'refuses the context query a key that is %s',
    async (_, payload) => {
      await expect(query(workflowId, 'context', [payload])).rejects.toThrow(
        /key (must be text|cannot be decoded: [^\n]{10,150})$/,
      );
    },
  );

  test('answers the context query with a key, without one, and with null for one', async () => {
    expect(await query(workflowId, 'context', [json('status')])).toEqual({ status: { inline: 'running' } });
    for (const payloads of [[], [json(null)], [encoded('binary/null')]])
      expect(await query(workflowId, 'context', payloads)).toHaveProperty('run_id', { inline: runId });
    expect(await query(workflowId, 'context', [json('x'.repeat(1024 * 1024))])).toEqual({});
  });

  test('has had no failed task, completes, and can be replayed', async () => {
    gates.get(runId)?.();
    expect(await team.client.result(runId)).toMatchObject({ status: 'completed', output: 'done' });
    expect(await failedTasks(workflowId)).toEqual([]);
    // A closed workflow has left the cache: this query makes the worker read all of the history again.
    expect(await query(workflowId, 'context', [json('status')])).toEqual({ status: { inline: 'completed' } });
  });
});

/** A start past every client of ours. */
async function start(input: { payloads: Payload[] } | null): Promise<string> {
  const workflowId = `raw-${crypto.randomUUID()}`;
  await raw().startWorkflowExecution({
    namespace,
    workflowId,
    requestId: workflowId,
    workflowType: { name: 'teamRun' },
    taskQueue: { name: team.environment['ENSEMBLE_TASK_QUEUE'] ?? '' },
    input,
    header,
    memo: { fields: { broken: encoded('json/plain', '{') } },
  });
  return workflowId;
}

const id = '01900000-0000-7000-8000-00000000000a';
const step = { type: 'agent', agent: 'held' };
const agent = { name: 'held', version: '1.0.0', agentType: 'custom', capabilities: [], timeoutMs: 1_000 };
const good = {
  schemaVersion: 1,
  tenantId: id,
  projectId: id,
  runId: id,
  task: { inline: 'Task' },
  input: { inline: {} },
  plan: step,
  agents: [agent],
};

function deepPlan(levels: number): Json {
  let plan: Json = step;
  for (let level = 0; level < levels; level += 1) plan = { type: 'sequence', steps: [plan] };
  return plan;
}

const wide = (steps: number) => ({ type: 'parallel', steps: Array.from({ length: steps }, () => step) });

/** Written as text: no writer of JSON gets that deep. */
const endless = encoded(
  'json/plain',
  JSON.stringify({ ...good, input: { inline: 0 } }).replace('{"inline":0}', `{"inline":${nested(100_000)}}`),
);

describe('a start', () => {
  test.each([
    ...ARGUMENTS,
    ['nothing at all', undefined],
    ['an endless input', [endless]],
    ['an endless plan', [json({ ...good, plan: deepPlan(1_000) })]],
    ['another schema', [json({ ...good, schemaVersion: 2 })]],
    ['an order that nobody knows', [json({ ...good, commandOrder: 3 })]],
  ])('with %s fails with INPUT_INVALID', async (_, payloads) => {
    const workflowId = await start(payloads === undefined ? null : { payloads });
    await expect(soon(() => team.temporal.workflow.getHandle(workflowId).result())).rejects.toMatchObject({
      cause: { type: 'INPUT_INVALID', message: expect.stringMatching(/^input.{5,500}$/) },
    });
    expect(await failedTasks(workflowId)).toEqual([]);
  });
});

describe('the check of the start input', () => {
  const value = { record: { a: { list: [{ inline: null }] } } };
  const ref = { ref: { blob: 'a'.repeat(64), bytes: 1, mediaType: 'text/plain' } };
  const full = {
    ...step,
    input: null,
    timeoutMs: 1,
    retry: { maxAttempts: 1, initialIntervalMs: 1, maxIntervalMs: 1 },
    onFailure: { fallback: { value: null } },
  };

  test.each([
    ['a small one', good],
    ['fields to come', { ...good, more: 1 }],
    ['values of every kind', { ...good, task: ref, input: value }],
    ['values as deep as JSON goes', { ...good, task: JSON.parse(`{"inline":${nested(1_900)}}`) }],
    ['steps of every type', { ...good, plan: { type: 'sequence', steps: [full], onFailure: 'skip' } }],
    [
      'every field of a parallel step',
      {
        ...good,
        plan: {
          type: 'parallel',
          steps: [step, deepPlan(14)],
          aggregate: { agent: 'held', input: 1 },
          maxConcurrency: 1,
          onFailure: { fallback: { agent: 'held' } },
        },
      },
    ],
  ])('accepts %s', (_, input) => {
    expect(() => checkInput(input)).not.toThrow();
  });

  test.each([
    ['tenantId must be a UUID', { tenantId: 'x' }],
    ['runId must be a UUID', { runId: undefined }],
    ['task must be one of inline, ref, part, record, list', { task: null }],
    ['task must be one of inline, ref, part, record, list', { task: { inline: 1, ref: 1 } }],
    ['task must be one of inline, ref, part, record, list', { task: { constructor: 1 } }],
    ['task.ref.blob must be a SHA-256 in lower-case hex', { task: { ref: { ...ref.ref, blob: 'x' } } }],
    ['input.list must be a list', { input: { list: {} } }],
    ['input.record must be an object', { input: { record: [1] } }],
    ['input.record[0] must be one of inline, ref, part, record, list', { input: { record: { a: 1 } } }],
    [`plan.type must be one of ${STEP_TYPES.join(', ')}`, { plan: null }],
    [`plan.type must be one of ${STEP_TYPES.join(', ')}`, { plan: { type: 'toString' } }],
    ['plan.steps must be a list', { plan: { type: 'sequence' } }],
    ['plan.steps must hold 1 to 500 entries', { plan: { type: 'parallel', steps: [] } }],
    ['plan.aggregate must be merge, concat, vote, best or an agent', { plan: { ...wide(1), aggregate: 1 } }],
    ["plan.agent must be an agent's name", { plan: { ...step, agent: 'x'.repeat(65) } }],
    ['plan.timeoutMs must be a whole number from 1 to 86400000', { plan: { ...step, timeoutMs: 0.5 } }],
    [
      'plan.retry.maxAttempts must be a whole number from 1 to 20',
      { plan: { ...step, retry: { maxAttempts: '3' } } },
    ],
    [
      "plan.onFailure.fallback.agent must be an agent's name",
      { plan: { ...step, onFailure: { fallback: {} } } },
    ],
    ['plan.onFailure must be fail, skip or a fallback', { plan: { ...step, onFailure: 'ignore' } }],
    [`plan${'.steps[0]'.repeat(16)} is nested deeper than 16 steps`, { plan: deepPlan(16) }],
    [
      'plan names 600 agents; the limit is 500',
      { plan: { type: 'sequence', steps: [wide(300), wide(300)] } },
    ],
    ['agents must be a list', { agents: {} }],
    [
      'agents[0].version must be a version of at most 200 characters',
      { agents: [{ ...agent, version: '1'.repeat(300) }] },
    ],
    ['agents[0].capabilities[0] must be text', { agents: [{ ...agent, capabilities: [1] }] }],
    [
      'agents[0].defined must be a whole number from 1 to 2147483647',
      { agents: [{ ...agent, defined: '1' }] },
    ],
  ])('%s', (problem, wrong) => {
    const failure = { type: 'INPUT_INVALID', message: `input.${problem}` };
    expect(() => checkInput({ ...good, ...wrong })).toThrow(expect.objectContaining(failure));
  });
});

/** Handlers of every kind, as any workflow may have them; an input that throws on its way to one wedges the workflow. */
const LISTENER = `
const { condition, defineQuery, defineSignal, defineUpdate, setDefaultSignalHandler, setHandler } = require('@temporalio/workflow');
const { RawValue } = require('@temporalio/common');
const kindOf = (value) => (value && value.undecodable) || typeof value;
exports.listener = async (...given) => {
  const heard = [given.map(kindOf)];
  let ended = false;
  const hear = (...values) => { heard.push(values.map(kindOf)); return heard.at(-1); };
  setHandler(defineSignal('hear'), (...values) => void hear(...values));
  setDefaultSignalHandler((name, ...values) => void hear(...values));
  setHandler(defineUpdate('tell'), hear, { validator: (...values) => void values.map(kindOf) });
  setHandler(defineQuery('kinds'), (...values) => values.map(kindOf));
  setHandler(defineQuery('context'), () => RawValue.fromPayload({ metadata: { encoding: new TextEncoder().encode('odd') } }));
  setHandler(defineSignal('end'), () => { ended = true; });
  await condition(() => ended);
  return heard;
};`;

describe('a workflow with handlers of every kind', () => {
  test('is handed what nobody can read as undecodable, and goes on', async () => {
    const { connectionOptions } = temporalTarget(team.environment);
    const connection = await NativeConnection.connect(connectionOptions);
    const taskQueue = `listener-${crypto.randomUUID()}`;
    const worker = await TolerantWorker.create({
      connection,
      taskQueue,
      dataConverter,
      workflowBundle: await bundled(LISTENER),
    });
    await worker.runUntil(() => listen(taskQueue));
    await connection.close();
  });

  /** Takes the place of a run's workflow, so that our own client asks it too. */
  async function listen(taskQueue: string): Promise<void> {
    const { runId, workflowId } = await team.client.start({
      task: 'Gone',
      plan: { type: 'agent', agent: 'held' },
    });
    await team.temporal.workflow.getHandle(workflowId).terminate();
    const handle = await team.temporal.workflow.start('listener', { taskQueue, workflowId });
    for (const [, payload] of UNREADABLE) {
      await signal(workflowId, 'hear', [payload, json('and')]);
      await signal(workflowId, 'other', [payload, json('and')]);
      const { outcome } = await update(workflowId, 'tell', [payload, json('and')]);
      expect(outcome?.failure).toBeFalsy();
      const reason = expect.stringMatching(/^(the payload|unknown encoding) /);
      expect(await query(workflowId, 'kinds', [payload, json('and')])).toEqual([reason, 'string']);
    }
    const refused = {
      code: 'INTERNAL',
      message: 'The answer to context cannot be decoded: unknown encoding "odd"',
    };
    await expect(team.client.query(runId, 'context')).rejects.toMatchObject(refused);
    await signal(workflowId, 'end', []);
    const heard = await handle.result();
    expect(heard).toHaveLength(1 + 3 * UNREADABLE.length);
    expect(await failedTasks(workflowId)).toEqual([]);
  }
});
