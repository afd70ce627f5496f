import { z } from 'zod';
import { BaseAgent, type AgentContext, type AgentTask } from '../../src/agents/base-agent';
import { agentState, testAgent } from '../../src/agents/testing';

/** Answers what it is asked, and asks the graph for every path. */
class Clerk extends BaseAgent {
  static readonly manifest = {
    name: 'clerk',
    version: '1.0.0',
    description: 'Talks',
    output: z.unknown(),
  };

  async execute(_task: AgentTask, { bus, attempt }: AgentContext): Promise<unknown> {
    await bus.subscribe({ topic: 'finding.*.high' });
    const finding = await bus.receive({ filter: { op: 'exists', pointer: '/topic' }, timeoutMs: 1_000 });
    const path = await bus.request(
      { capability: 'dependency-path' },
      { of: 'left-pad' },
      { timeoutMs: 1_000 },
    );
    const question = await bus.receive({ timeoutMs: 1_000 });
    if (question !== undefined) await bus.respond(question, { attempt });
    await bus.broadcast('done', { priority: 'high' });
    return { finding: finding?.content, path: path.content, question: question?.content };
  }
}

const MAILBOX = [
  { from: 'graph', content: 'later', priority: 'low' as const },
  { from: 'boss', content: 'how far are you?', type: 'request', correlationId: 'boss-1', replyTo: 'desk' },
  { from: 'licence', content: { name: 'left-pad' }, topic: 'finding.licence.high' },
];
const ANSWERS = { 'capability:dependency-path': { path: ['root', 'left-pad'] } };

test('an agent under test hears what waits for it, is answered, and is seen to speak', async () => {
  const { output, sent } = await testAgent(Clerk, { bus: { mailbox: MAILBOX, answers: ANSWERS } });
  expect(output).toEqual({
    finding: { name: 'left-pad' },
    path: { path: ['root', 'left-pad'] },
    question: 'how far are you?',
  });
  expect(sent).toEqual([
    { type: 'bus.subscribe', content: { topic: 'finding.*.high' } },
    { capability: 'dependency-path', type: 'request', replyTo: 'agent', content: { of: 'left-pad' } },
    { to: 'desk', type: 'response', correlationId: 'boss-1', content: { attempt: 1 } },
    { broadcast: true, type: 'inform', priority: 'high', content: 'done' },
  ]);
});

test('another attempt hears again what was not read, and says nothing twice up to the first difference', async () => {
  const state = agentState();
  const silent = { state, bus: { mailbox: MAILBOX } };
  await expect(testAgent(Clerk, silent)).rejects.toMatchObject({ code: 'MESSAGE_TIMEOUT' });
  const { output, sent } = await testAgent(Clerk, { state, bus: { mailbox: MAILBOX, answers: ANSWERS } });
  expect(output).toMatchObject({ finding: { name: 'left-pad' } });
  expect(sent.map(({ type }) => type)).toEqual(['bus.subscribe', 'request', 'response', 'inform']);
  const third = await testAgent(Clerk, { state, bus: { mailbox: MAILBOX, answers: ANSWERS } });
  expect(third.output).toMatchObject({ question: 'later' });
  expect(third.sent).toHaveLength(6);
});

test('a message that the bus would refuse is refused here', async () => {
  class Rude extends Clerk {
    override async execute(_task: AgentTask, { bus }: AgentContext): Promise<unknown> {
      return bus.send('No Name', 1);
    }
  }
  await expect(testAgent(Rude)).rejects.toMatchObject({ code: 'INPUT_INVALID' });
});
