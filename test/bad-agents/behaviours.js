'use strict';
// What agents do that they should not. Loaded by a worker of the build, through a file for each agent that
// test/bad-agents/behaviours.test.ts writes.
const { setTimeout: sleep } = require('node:timers/promises');
const { AppError, BaseAgent, z } = require('../../lib/src/agents');

const HUGE = 100 * 1024 * 1024;
const huge = () => 'x'.repeat(HUGE);
const nested = (levels) => {
  let value = 'bottom';
  for (let level = 0; level < levels; level += 1) value = [value];
  return value;
};
const block = (ms) => {
  const until = performance.now() + ms;
  while (performance.now() < until);
};
const use = (more = {}) => ({ name: 'probe', arguments: {}, step: '1', sideEffects: 'none', ...more });

/** Tries everything that a context offers, and says what came of each. */
async function tryAll({ context, tool, journal, model, blobs }) {
  const tries = {
    'context.get': () => context.get('key'),
    'context.set': () => context.set('late', true),
    tool: () => tool(use(), async () => 'done'),
    'tool, dangerous': () => tool(use({ sideEffects: 'dangerous' }), async () => 'done'),
    'journal.append': () => journal.append('late'),
    'journal.read': () => journal.read(),
    model: () => model.invoke({ messages: [{ role: 'user', text: 'late' }] }),
    stream: async () => {
      for await (const _ of model.invokeStreaming({ messages: [{ role: 'user', text: 'late' }] }));
    },
    blobs: () => blobs.read({ blob: 'a'.repeat(64), bytes: 1, mediaType: 'text/plain' }),
  };
  const became = {};
  for (const [name, attempt] of Object.entries(tries)) {
    try {
      await attempt();
      became[name] = 'done';
    } catch (error) {
      became[name] = error.code ?? String(error);
    }
  }
  return became;
}

/** Name of the agent: what it does. */
exports.BEHAVIOURS = {
  steady: async (_task, { signal }) => sleep(400, 'done', { signal }),
  throws: () => {
    throw new Error('out of paper');
  },
  'throws-null': () => Promise.reject(null),
  'throws-text': () => Promise.reject('just words'),
  'throws-hostile': () => {
    const message = `line\nbreak \0 \u001b[31m Bearer abcdef postgres://me:hunter2@db/x sk-${'1'.repeat(20)} `;
    throw new Error(message + 'x'.repeat(10 * 1024 * 1024));
  },
  'throws-unreadable': () => {
    throw new Proxy(new Error('x'), {
      get() {
        throw new Error('hands off');
      },
      getPrototypeOf() {
        throw new Error('hands off');
      },
    });
  },
  'throws-forged-delay': () => {
    throw Object.assign(new AppError('MODEL_RATE_LIMITED', 'later'), { retryAfterMs: Number.NaN });
  },
  'never-returns': () => new Promise(() => undefined),
  'ignores-cancellation': () => new Promise(() => undefined),
  'wrong-shape': () => ({ text: 7 }),
  'not-json': () => {
    const loop = { text: 'round' };
    return Object.assign(loop, { loop });
  },
  'too-deep': () => ({ text: 'deep', value: nested(4_000) }),
  bottomless: () => ({ text: 'deep', value: nested(100_000) }),
  'huge-output': () => ({ text: huge() }),
  'blocks-10-s': () => {
    block(10_000);
    return 'blocked';
  },
  'stray-rejection': async () => {
    void Promise.reject(new Error('nobody waits for me'));
    await sleep(20);
    return 'done';
  },
  'stray-throw': async () => {
    setTimeout(() => {
      throw new Error('nobody catches me');
    }, 5);
    await sleep(50);
    return 'done';
  },
  'waits-for-stray-throw': () =>
    new Promise(() => {
      setTimeout(() => {
        throw new Error('nobody catches me');
      }, 5);
    }),
  'context-10000-keys': (_task, { context }) => {
    for (let key = 0; key < 10_000; key += 1) context.set(`key-${key}`, key);
    return 'done';
  },
  'context-huge-value': (_task, { context }) => {
    context.set('huge', huge());
    return 'done';
  },
  'context-wide': (_task, { context }) => {
    for (let key = 0; key < 1_000; key += 1) context.set(`key-${key}`, 'x'.repeat(8_000));
    return 'done';
  },
  'context-too-deep': (_task, { context }) => {
    context.set('deep', nested(4_000));
    return 'done';
  },
  'context-not-json': (_task, { context }) => {
    context.set('big', 1n);
    return 'done';
  },
  'journal-huge-entry': async (_task, { journal }) => {
    await journal.append(huge());
    return 'done';
  },
  'tool-huge-result': async (_task, { tool }) => tool(use(), async () => huge()),
  'tool-never-returns': async (_task, { tool }) =>
    tool(use({ timeoutMs: 100 }), () => new Promise(() => undefined)),
  'heartbeat-flood': (_task, { heartbeat }) => {
    for (let beat = 0; beat < 1_000; beat += 1) heartbeat('x'.repeat(100_000));
    return 'done';
  },
  'goes-on-after-end': (_task, context) => {
    setTimeout(() => void tryAll(context).then((became) => context.log.info('afterwards', { became })), 300);
    return 'done';
  },
};

const ANYTHING = z.unknown();
const TEXT = z.object({ text: z.string() }).loose();
const SHAPED = ['wrong-shape', 'not-json', 'too-deep', 'bottomless', 'huge-output'];

/** The class of one agent. */
exports.agentOf = (name) =>
  class extends BaseAgent {
    static manifest = {
      name,
      version: '1.0.0',
      description: `Does what it should not: ${name}`,
      output: SHAPED.includes(name) ? TEXT : ANYTHING,
    };

    async execute(task, context) {
      return exports.BEHAVIOURS[name](task, context);
    }
  };
