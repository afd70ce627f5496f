import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { AgentClass } from '../../../src/agents/base-agent';
import type { JsonObject } from '../../../src/protocol/json';
import type { Step } from '../../../src/protocol/plan';
import { anAgent } from '../../support/agents';

/** A run whose history is worth keeping: each goes another way through the workflows. */
export interface Scenario {
  readonly plan: Step;
  readonly input?: JsonObject;
  /** Where it is to continue as new. */
  readonly startsPerHistory?: number;
  /** Cancelled once an agent of this name has started. */
  readonly cancelAt?: string;
}

const tries = new Map<string, number>();

export const SCENARIO_AGENTS: readonly AgentClass[] = [
  anAgent('says', (task) => ({ said: task.options ?? null, seen: task.previous.length }), {
    input: z.unknown(),
  }),
  anAgent('large', (task) => ({ ...(task.options as JsonObject), filler: 'x'.repeat(20_000) }), {
    input: z.unknown(),
  }),
  anAgent(
    'sets',
    (task, { context }) => {
      context.set('mode', task.options);
      return 'set';
    },
    { input: z.unknown() },
  ),
  anAgent('counts', async (_task, { context }) => {
    await sleep(300);
    await context.update('count', (count) => (typeof count === 'number' ? count : 0) + 1);
    return 'counted';
  }),
  anAgent('tells', async (_task, { bus }) => {
    await sleep(300);
    await bus.publish('news.today', { told: true });
    return 'told';
  }),
  anAgent('dozes', async (task, { bus, context }) => {
    context.set('dozing', task.checkpoint ?? 'not yet');
    const message = await bus.receive({ timeoutMs: 60_000, staysMs: 0, checkpoint: 'dozing' });
    return { heard: message?.content ?? null };
  }),
  anAgent('dreams', async (_task, { context }) => {
    const awake = { op: 'eq', pointer: '', value: 1 } as const;
    const reading = await context.watch('count', awake, { timeoutMs: 60_000, staysMs: 0, checkpoint: 1 });
    return { count: reading?.value ?? null };
  }),
  anAgent('wakes', async (_task, { bus }) => {
    await sleep(500);
    await bus.send('dozes', 'wake up');
    return 'said';
  }),
  anAgent('broken', () => {
    throw new Error('always broken');
  }),
  anAgent('once-broken', (_task, { runId }) => {
    tries.set(runId, (tries.get(runId) ?? 0) + 1);
    if (tries.get(runId) === 1) throw new Error('broken once');
    return 'whole';
  }),
  anAgent('waits', async (_task, { signal }) => {
    await sleep(60_000, undefined, { signal });
  }),
  anAgent('guide', (task) => ({ next: task.previous.length < 2 ? 'on' : 'finish', reason: 'it is time' }), {
    input: z.unknown(),
  }),
  anAgent(
    'router',
    (task) => ({ next: task.previous.length < 1 ? 'on' : 'finish', reason: 'the model says so' }),
    {
      input: z.unknown(),
    },
  ),
];

const onNews = { op: 'eq', pointer: '/topic', value: 'news.today' } as const;
const once = { retry: { maxAttempts: 1 } };
const says = (input: JsonObject, more: object = {}): Step => ({
  type: 'agent',
  agent: 'says',
  input,
  ...more,
});
const agent = (name: string, more: object = {}): Step => ({ type: 'agent', agent: name, ...more });
const sequence = (steps: readonly Step[], more: object = {}): Step => ({ type: 'sequence', steps, ...more });
const parallel = (steps: readonly Step[], more: object = {}): Step => ({ type: 'parallel', steps, ...more });
const options = [{ id: 'on', step: says({ a: 1 }) }];

export const SCENARIOS: Readonly<Record<string, Scenario>> = {
  'one-agent': { plan: agent('large', { input: {} }) },
  sequence: { plan: sequence([says({ a: 1 }), agent('sets', { input: { level: 2 } }), says({ b: 1 })]) },
  'parallel-merge': {
    plan: parallel([says({ a: 1 }), agent('large', { input: {} }), agent('broken', once)]),
  },
  'parallel-agent': {
    plan: parallel([says({ a: 1 }), says({ b: 1 })], { aggregate: { agent: 'says' }, maxConcurrency: 1 }),
  },
  'parallel-vote': {
    plan: parallel([agent('large', { input: { v: 'a' } }), agent('large', { input: { v: 'a' } })], {
      aggregate: { vote: '/v' },
    }),
  },
  'parallel-best': {
    plan: parallel([agent('large', { input: { n: 1 } }), agent('large', { input: { n: 2 } })], {
      aggregate: { best: '/n' },
    }),
  },
  'parallel-quorum': { plan: parallel([says({ a: 1 }), agent('waits')], { quorum: { first: 1 } }) },
  'adaptive-rules': {
    plan: {
      type: 'adaptive',
      first: 'ask',
      options: [
        { id: 'ask', step: agent('large', { input: { level: 3 } }) },
        { id: 'act', step: says({ done: true }) },
      ],
      router: {
        by: 'rules',
        rules: [
          { when: { op: 'eq', pointer: '/last/said/done', value: true }, next: 'finish' },
          { when: { op: 'gt', pointer: '/last/level', value: 2 }, next: 'act' },
        ],
      },
    },
  },
  'adaptive-agent': { plan: { type: 'adaptive', options, router: { by: 'agent', agent: 'guide' } } },
  'adaptive-model': { plan: { type: 'adaptive', options, router: { by: 'model' } } },
  'adaptive-hand-off': {
    plan: {
      type: 'adaptive',
      first: 'one',
      handOff: '/said/next',
      options: [
        { id: 'one', step: says({ next: 'two' }) },
        { id: 'two', step: says({ next: 'finish' }) },
      ],
      router: { by: 'rules', rules: [], otherwise: 'finish' },
    },
  },
  loop: {
    plan: {
      type: 'loop',
      step: sequence([says({ a: 1 })]),
      until: { op: 'gte', pointer: '/last/seen', value: 2 },
      maxIterations: 5,
    },
  },
  conditions: {
    plan: sequence([
      says({ a: 1 }, { when: { op: 'eq', pointer: '/input/mode', value: 'fast' } }),
      says({ b: 1 }, { when: { op: 'ne', pointer: '/input/mode', value: 'fast' } }),
    ]),
    input: { mode: 'fast', filler: 'y'.repeat(20_000) },
  },
  timer: { plan: sequence([says({ a: 1 }), { type: 'wait', for: 'timer', durationMs: 30 }, says({ b: 1 })]) },
  map: {
    plan: sequence([
      agent('large', { input: { list: [{ n: 1 }, { n: 2 }, { n: 3 }] } }),
      {
        type: 'map',
        over: '/last/list',
        maxConcurrency: 2,
        step: sequence(
          [
            says({ a: 1 }, { when: { op: 'ne', pointer: '/item/n', value: 2 } }),
            agent('broken', { ...once, when: { op: 'eq', pointer: '/item/n', value: 3 } }),
          ],
          { onFailure: 'skip' },
        ),
      },
      { type: 'map', over: '/input/none', step: says({ b: 1 }), onFailure: { fallback: { value: [1, 2] } } },
      { type: 'map', over: '/last', step: { type: 'run', plan: says({ c: 1 }) } },
    ]),
  },
  'map-continued': {
    plan: sequence([
      agent('large', { input: { list: [{ n: 1 }, { n: 2 }, { n: 3 }, { n: 4 }] } }),
      {
        type: 'map',
        over: '/last/list',
        maxConcurrency: 2,
        step: sequence([
          says({ a: 1 }),
          { type: 'wait', for: 'timer', durationMs: 900 },
          says({ b: 1 }, { when: { op: 'gt', pointer: '/item/n', value: 1 } }),
        ]),
      },
    ]),
    startsPerHistory: 4,
  },
  'told-at-once': {
    plan: parallel([
      says({ a: 1 }),
      says({ b: 1 }, { when: { op: 'exists', pointer: '/input/mode' } }),
      sequence([agent('broken', once)]),
      sequence([{ type: 'wait', for: 'timer', durationMs: 700 }, says({ c: 1 })]),
    ]),
  },
  'step-timeout': { plan: sequence([agent('waits')], { timeoutMs: 200, onFailure: 'skip' }) },
  'step-retry': {
    plan: sequence([says({ a: 1 }), agent('once-broken', once)], {
      retry: { maxAttempts: 2, initialIntervalMs: 20 },
    }),
  },
  'agent-retry': { plan: agent('once-broken', { retry: { maxAttempts: 2, initialIntervalMs: 20 } }) },
  fallbacks: {
    plan: sequence([
      agent('broken', { ...once, onFailure: { fallback: { value: 1 } } }),
      agent('broken', { ...once, onFailure: { fallback: { agent: 'says' } } }),
      agent('broken', { ...once, onFailure: 'skip' }),
    ]),
  },
  failure: {
    plan: sequence([
      says({ a: 1 }),
      parallel([agent('waits'), agent('broken', { ...once, onFailure: 'fail' })]),
    ]),
  },
  'context-wait': {
    plan: parallel([
      sequence([{ type: 'wait', for: 'context', key: 'count', timeoutMs: 20_000 }, says({ a: 1 })]),
      agent('counts'),
    ]),
  },
  'message-wait': {
    plan: parallel([
      sequence([{ type: 'wait', for: 'message', where: onNews, timeoutMs: 20_000 }, says({ a: 1 })]),
      agent('tells'),
    ]),
  },
  asleep: { plan: parallel([agent('dozes'), agent('dreams'), agent('wakes'), agent('counts')]) },
  'asleep-continued': {
    plan: parallel([
      agent('dozes'),
      agent('dreams'),
      sequence([{ type: 'wait', for: 'timer', durationMs: 500 }, agent('wakes'), agent('counts')]),
    ]),
    startsPerHistory: 2,
  },
  deadlock: { plan: parallel([agent('dozes'), agent('dreams')]) },
  cancelled: { plan: parallel([says({ a: 1 }), agent('waits')]), cancelAt: 'waits' },
  'child-runs': {
    plan: parallel([
      { type: 'run', plan: says({ a: 1 }) },
      { type: 'run', plan: agent('broken', once) },
    ]),
  },
  'child-cancelled': { plan: { type: 'run', plan: agent('waits'), timeoutMs: 500, onFailure: 'skip' } },
  continued: {
    plan: sequence([
      agent('sets', { input: { level: 2 } }),
      parallel([
        sequence([says({ a: 1 }), says({ a: 2 }), says({ a: 3 })]),
        {
          type: 'loop',
          step: says({ b: 1 }),
          until: { op: 'gte', pointer: '/iteration', value: 3 },
          maxIterations: 5,
        },
        { type: 'run', plan: sequence([says({ c: 1 }), says({ c: 2 }), says({ c: 3 })]) },
        sequence([{ type: 'wait', for: 'timer', durationMs: 1_500 }, agent('broken', once)], {
          retry: { maxAttempts: 2, initialIntervalMs: 900 },
        }),
      ]),
      says({ d: 1 }, { when: { op: 'eq', pointer: '/context/mode/level', value: 2 } }),
    ]),
    startsPerHistory: 4,
  },
};
