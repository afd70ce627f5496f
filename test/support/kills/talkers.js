'use strict';
const { setTimeout: sleep } = require('node:timers/promises');
const { z } = require('zod');

const WORD_MS = 60_000;

/** Agents that talk until they are disturbed: one tells, one listens, one is stopped in the middle of a sentence. */
exports.talkers = ({ load, note, activity, isNoted }) => {
  const { BaseAgent } = load('agents');
  const manifest = (name) => ({
    name,
    version: '1.0.0',
    description: `Talks in tests, as the ${name}`,
    input: z.object({}),
    output: z.unknown(),
  });

  /**
   * Says numbers, ten at once, until it is told that they are enough, and then how many they were: each attempt all of
   * them, of which none is said twice.
   */
  class Teller extends BaseAgent {
    static manifest = manifest('teller');

    async execute(_task, { bus }) {
      for (let from = 0; ; from += 10) {
        const told = await bus.receive({ timeoutMs: 0 });
        if (told !== undefined) {
          await bus.send('listener', { count: from });
          return { said: from };
        }
        await Promise.all(Array.from({ length: 10 }, (_, index) => bus.send('listener', from + index)));
      }
    }
  }

  /** Hears all of them, and writes each down before it counts as read: what was written is not heard again. */
  class Listener extends BaseAgent {
    static manifest = manifest('listener');

    async execute(_task, { bus, journal }) {
      const heard = new Map((await journal.read()).flat().map(({ id, content }) => [id, content]));
      let last = [...heard.values()].at(-1);
      const isOver = () => last?.count === heard.size - 1;
      while (!isOver()) {
        const messages = await bus.receiveMany(10, { timeoutMs: WORD_MS });
        if (messages.length === 0) throw new Error(`only ${heard.size} messages came`);
        const fresh = messages.filter(({ id }) => !heard.has(id)).map(({ id, content }) => ({ id, content }));
        await journal.append(fresh);
        await bus.commit();
        for (const { id, content } of fresh) heard.set(id, (last = content));
      }
      return { heard: [...heard.values()] };
    }
  }

  /** Its first attempt is stopped after four messages; once it goes on it wants to say more. */
  class Interrupted extends BaseAgent {
    static manifest = manifest('interrupted');

    async execute(_task, { attempt, bus }) {
      const say = (content) => bus.send('client:witness', content);
      if (attempt === 1) {
        for (const word of ['a', 'b', 'c', 'd']) await say(word);
        note({ ...activity(), struck: 'said-four' });
        process.kill(process.pid, 'SIGSTOP');
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50);
        const refused = await Promise.allSettled(['e', 'f'].map(say));
        note({ ...activity(), effect: refused.map(({ reason }) => String(reason?.code)).join() });
        return {};
      }
      for (const word of ['a', 'b', 'else', 'more']) await say(word);
      const word = await bus.receive({ timeoutMs: WORD_MS });
      return { word: word?.content };
    }
  }

  /** Says that it is there, sleeps until it is told to go on, and says so. */
  class Dozer extends BaseAgent {
    static manifest = manifest('dozer', {});

    async execute({ checkpoint }, { bus, context, tool }) {
      if (checkpoint === undefined) {
        await bus.send('client:witness', 'here');
        await context.append('log', 'here', { now: true });
        context.set('here', true);
      }
      const message = await bus.receive({
        timeoutMs: 86_400_000,
        staysMs: 0,
        wokenBy: 'outside',
        checkpoint: 'dozing',
      });
      await context.append('log', 'woken', { now: true });
      const use = { name: 'ring', arguments: {}, step: '1', sideEffects: 'dangerous' };
      await tool(use, async () => {
        note({ ...activity(), effect: 'rang' });
        return null;
      });
      await bus.send('client:witness', 'gone');
      return { heard: message?.content ?? null, checkpoint: checkpoint ?? null };
    }
  }

  /** Tells the doer something else in each attempt, once the ledger says so. */
  class Whisperer extends BaseAgent {
    static manifest = manifest('whisperer', {});

    async execute(_task, { attempt, bus }) {
      while (!isNoted('go')) await sleep(20);
      await bus.send('doer', `word of attempt ${attempt}`);
      return {};
    }
  }

  /** Does what it is told, in the world outside. */
  class Doer extends BaseAgent {
    static manifest = manifest('doer', {});

    async execute(_task, { bus, tool }) {
      await bus.receive({ timeoutMs: 0 });
      note({ ...activity(), struck: 'listening' });
      const message = await bus.receive({ timeoutMs: WORD_MS });
      const word = message?.content;
      note({ ...activity(), struck: `heard ${message?.seq}` });
      const use = { name: 'do', arguments: word, step: '1', sideEffects: 'idempotent' };
      await tool(use, async () => {
        note({ ...activity(), effect: word });
        return null;
      });
      return { word };
    }
  }

  return [Teller, Listener, Interrupted, Dozer, Whisperer, Doer];
};
