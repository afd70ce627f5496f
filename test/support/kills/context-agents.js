'use strict';
const { z } = require('zod');

/** Agents that write to the shared context while they work, and one that waits for it. */
exports.contextAgents = ({ load, note, activity }) => {
  const { BaseAgent } = load('agents');

  /** Adds one to a key so many times, whoever else does, with nothing but compare-and-set. */
  class CountingAgent extends BaseAgent {
    static manifest = {
      name: 'counting',
      version: '1.0.0',
      description: 'Counts in the shared context',
      input: z.object({ key: z.string(), times: z.number() }),
      output: z.object({ last: z.number() }),
    };

    async execute({ options: { key, times } }, { context }) {
      let last = 0;
      for (let i = 0; i < times; i += 1) last = await context.update(key, (value) => (value ?? 0) + 1);
      await context.append('finished', key, { now: true });
      return { last };
    }
  }

  class WatchingAgent extends BaseAgent {
    static manifest = {
      name: 'watching',
      version: '1.0.0',
      description: 'Waits for the shared context',
      input: z.object({ key: z.string(), least: z.number() }),
      output: z.object({ seen: z.unknown() }),
    };

    async execute({ options: { key, least } }, { context }) {
      note({ ...activity(), point: 'watching' });
      const where = { op: 'gte', pointer: '', value: least };
      const reading = await context.watch(key, where, { timeoutMs: 60_000 });
      return { seen: reading?.value ?? null };
    }
  }
  return [CountingAgent, WatchingAgent];
};
