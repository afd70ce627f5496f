import { Evaluator } from '../../src/agents/built-in/evaluator';
import { Comparison } from '../../src/agents/tools/text/rank';
import type { AgentContext, AgentTask } from '../../src/agents/base-agent';
import { readPrompt } from '../../src/llm/documents';
import type { ModelReply, ModelRequest } from '../../src/llm/port';
import { scriptedModel } from '../support/scripted-model';
import { aTask, fakeContext, MINUTES } from './fake-context';

const criteria = [
  { name: 'true', description: 'All of it is true.', weight: 3 },
  { name: 'brief', description: 'It is short.', weight: 1 },
];
const GOOD = 'The bridge costs 4.2 million francs and opens in May 2027.';
const BAD = 'TODO: insert the costs here.';
const previous = { 'root/bad': { text: BAD }, 'root/good': { text: GOOD } };
const options = { compare: true, criteria };

async function comparisonOf(task: AgentTask, context: AgentContext): Promise<Comparison> {
  return Comparison.parse(await new Evaluator().execute(task, context));
}

type Choose = (first: string, second: string) => string;

/** A model that chooses by the two texts it is shown, in the order in which it is shown them. */
function choosing(
  choose: Choose,
  evidence: readonly object[] = [],
): (request: ModelRequest) => Partial<ModelReply> {
  return ({ messages }) => {
    const { documents } = readPrompt(messages[0]?.text ?? '');
    const [first, second] = ['first', 'second'].map(
      (name) => documents.find((one) => one.name === name)?.text,
    );
    const better = choose(first ?? '', second ?? '');
    const chosen = criteria.map(({ name }) => ({ name, reason: `Because of ${name}.`, better, evidence }));
    return { text: JSON.stringify({ criteria: chosen }) };
  };
}

describe('of two outputs', () => {
  test('the one that the model prefers in either place is better', async () => {
    const prefersFrancs = choosing(
      (first) => (first.includes('francs') ? 'first' : 'second'),
      [
        { source: 'first', quote: 'costs 4.2 million' },
        { source: 'second', quote: 'costs 4.2 million' },
        { source: 'first', quote: 'made up' },
      ],
    );
    const model = scriptedModel(prefersFrancs, prefersFrancs);
    const output = await comparisonOf(aTask({ options, previous }), fakeContext({ model }).context);
    expect(output).toMatchObject({
      verdict: 'better',
      winner: 'root/good',
      ranking: [
        { name: 'root/good', points: 1 },
        { name: 'root/bad', points: 0 },
      ],
      provider: 'scripted',
    });
    const [pair] = output.pairs;
    expect(pair).toMatchObject({ outputs: ['root/bad', 'root/good'], better: 'root/good', known: true });
    expect(pair?.criteria[0]).toEqual({
      name: 'true',
      weight: 3,
      better: 'root/good',
      basis: 'model',
      steady: true,
      reason: 'Because of true. (taken out, since not in the documents: 1 of the quoted passages)',
      evidence: [
        { source: 'root/good', quote: 'costs 4.2 million' },
        { source: 'root/good', quote: 'costs 4.2 million' },
      ],
    });
    expect(model.requests).toHaveLength(2);
  });

  test('none is better for a model that follows the place', async () => {
    for (const place of ['first', 'second']) {
      const biased = choosing(() => place);
      const output = await comparisonOf(
        aTask({ options, previous }),
        fakeContext({ model: scriptedModel(biased, biased) }).context,
      );
      expect(output).toMatchObject({ verdict: 'tie', winner: null, pairs: [{ better: null, known: true }] });
      expect(output.pairs[0]?.criteria).toMatchObject([{ steady: false, better: null }, { steady: false }]);
      expect(output.pairs[0]?.criteria[0]?.reason).toContain('the choice changed with the order');
    }
  });

  test('the model is shown them in both orders, without the names of who made them', async () => {
    const equal = choosing(() => 'equal');
    const model = scriptedModel(equal, equal);
    await comparisonOf(aTask({ options, previous }), fakeContext({ model }).context);
    const shown = model.requests.map(({ messages }) => readPrompt(messages[0]?.text ?? '').documents);
    expect(shown).toEqual([
      [
        { name: 'first', text: BAD },
        { name: 'second', text: GOOD },
      ],
      [
        { name: 'first', text: GOOD },
        { name: 'second', text: BAD },
      ],
    ]);
    expect(JSON.stringify(model.requests.map(({ system, messages }) => [system, messages]))).not.toContain(
      'root/',
    );
  });

  test('nothing is concluded from less than half of the weight', async () => {
    const partial = {
      text: JSON.stringify({ criteria: [{ name: 'brief', reason: 'So.', better: 'first', evidence: [] }] }),
    };
    const model = scriptedModel(partial, partial);
    const output = await comparisonOf(aTask({ options, previous }), fakeContext({ model }).context);
    expect(output).toMatchObject({ verdict: 'inconclusive', winner: null, pairs: [{ known: false }] });
    expect(output.pairs[0]?.criteria[0]).toMatchObject({ basis: 'unknown', reason: 'the model left it out' });
  });
});

describe('offline', () => {
  test('the better by measures wins, whatever the order', async () => {
    for (const order of [previous, Object.fromEntries(Object.entries(previous).toReversed())]) {
      const output = await comparisonOf(
        aTask({
          text: 'What does the bridge cost, and when does it open?',
          input: MINUTES,
          options: { compare: true },
          previous: order,
        }),
        fakeContext().context,
      );
      expect(output).toMatchObject({ verdict: 'better', winner: 'root/good', provider: 'offline' });
      const relevance = output.pairs[0]?.criteria.find(({ name }) => name === 'relevance');
      expect(relevance).toMatchObject({ better: 'root/good', basis: 'measured' });
      expect(relevance?.reason).toContain('of the terms of the task occur');
    }
  });

  test('equal outputs tie, and what takes judgement is not concluded', async () => {
    const same = { 'root/one': { text: GOOD }, 'root/two': { text: GOOD } };
    const terms = [{ name: 'cost', description: 'Says what it costs.', terms: ['francs'] }];
    const tied = await comparisonOf(
      aTask({ options: { compare: true, criteria: terms }, previous: same }),
      fakeContext().context,
    );
    expect(tied).toMatchObject({ verdict: 'tie', winner: null });
    const open = await comparisonOf(aTask({ options, previous }), fakeContext().context);
    expect(open).toMatchObject({ verdict: 'inconclusive', winner: null });
  });

  test('of three outputs each is held against each', async () => {
    const three = { ...previous, 'root/middle': { text: 'The bridge opens.' } };
    const terms = [
      {
        name: 'facts',
        description: 'Says what and when.',
        terms: ['francs', 'opens', 'bridge', 'million', 'costs'],
      },
    ];
    const output = await comparisonOf(
      aTask({ options: { compare: true, criteria: terms }, previous: three }),
      fakeContext().context,
    );
    expect(output.ranking).toEqual([
      { name: 'root/good', points: 2 },
      { name: 'root/middle', points: 1 },
      { name: 'root/bad', points: 0 },
    ]);
    expect(output.pairs).toHaveLength(3);
  });
});

test.each([1, 7])('%i outputs are not compared', async (count) => {
  const outputs = Object.fromEntries(
    Array.from({ length: count }, (_, at) => [`root/${at}`, { text: GOOD }]),
  );
  await expect(
    new Evaluator().execute(aTask({ options, previous: outputs }), fakeContext().context),
  ).rejects.toMatchObject({ code: 'AGENT_INPUT_INVALID' });
});
