'use strict';
const { readFileSync } = require('node:fs');
const { setTimeout: sleep } = require('node:timers/promises');
const { z } = require('zod');

/**
 * A react agent whose tools leave each execution in the ledger: one that only reads, one that may be repeated, and one
 * that must not be and finds out in the ledger what became of it.
 */
exports.clerkAgent = ({ load, ledger, note, activity }) => {
  const { BaseAgent, defineTool, ReactAnswer, reasonAndAct } = load('agents');
  // There is time to die in before the effect, and more of it after.
  const executed = async (idempotencyKey, result) => {
    await sleep(Math.random() * 30);
    note({ ...activity(), effect: idempotencyKey });
    await sleep(50 + Math.random() * 50);
    return result;
  };
  const tool = (name, more) =>
    defineTool({
      name,
      description: `The clerk's tool ${name}`,
      arguments: z.strictObject({ item: z.string() }),
      run: ({ item }, { idempotencyKey }) => executed(idempotencyKey, `${name} ${item}: done`),
      ...more,
    });
  const tools = [
    tool('look', { sideEffects: 'none' }),
    tool('file', { sideEffects: 'idempotent' }),
    tool('pay', {
      sideEffects: 'dangerous',
      reconcile: async ({ item }, { idempotencyKey }) =>
        readFileSync(ledger, 'utf8').includes(idempotencyKey)
          ? { happened: true, result: `pay ${item}: done` }
          : { happened: false },
    }),
  ];

  return class ClerkAgent extends BaseAgent {
    static manifest = {
      name: 'clerk',
      version: '1.0.0',
      description: 'Works on a task in several turns, with tools that leave a trace',
      agentType: 'react',
      output: ReactAnswer,
    };

    async execute(task, context) {
      const system = 'Work through the list.';
      return (await reasonAndAct(task, context, { system, tools, maxSteps: 12 })).answer;
    }
  };
};
