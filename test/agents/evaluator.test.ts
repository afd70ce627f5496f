import { Evaluator } from '../../src/agents/built-in/evaluator';
import { React } from '../../src/agents/built-in/react';
import { scriptedModel } from '../support/scripted-model';
import { aTask, fakeContext, MINUTES } from './fake-context';

describe('evaluator', () => {
  const previous = { 'root/writer': { text: 'The bridge costs 4.2 million francs and opens in May 2027.' } };
  const criteria = [
    { name: 'true', description: 'All of it is true.', weight: 3 },
    { name: 'brief', description: 'It is short.', weight: 1 },
  ];
  const verdict = (...given: unknown[]) => ({ text: JSON.stringify({ criteria: given }) });

  test('weighs the scores itself and keeps only evidence that is there', async () => {
    const model = scriptedModel(
      verdict(
        {
          name: 'true',
          score: 1,
          reason: 'The costs agree.',
          evidence: [
            { source: 'somewhere', quote: 'costs 4.2 million  francs' },
            { source: 'root/writer', quote: 'the bridge is free' },
          ],
        },
        { name: 'brief', score: 0.5, reason: 'One sentence.', evidence: [] },
      ),
    );
    const output = await new Evaluator().execute(
      aTask({ options: { criteria }, previous }),
      fakeContext({ model }).context,
    );
    expect(output).toMatchObject({
      verdict: 'pass',
      score: 0.875,
      judged: ['root/writer'],
      provider: 'scripted',
    });
    expect(output.criteria[0]).toEqual({
      name: 'true',
      weight: 3,
      score: 1,
      basis: 'model',
      reason: 'The costs agree. (taken out, since not in the documents: 1 of the quoted passages)',
      evidence: [{ source: 'root/writer', quote: 'costs 4.2 million  francs' }],
    });
  });

  test('fails below its pass score, and concludes nothing from less than half', async () => {
    const low = { score: 0.2, reason: 'Hardly.', evidence: [] };
    const task = aTask({ options: { criteria, passScore: 0.5 }, previous });
    const bad = scriptedModel(verdict({ name: 'true', ...low }, { name: 'brief', ...low }));
    expect(await new Evaluator().execute(task, fakeContext({ model: bad }).context)).toMatchObject({
      verdict: 'fail',
      score: 0.2,
    });
    const partial = scriptedModel(verdict({ name: 'brief', ...low }));
    const output = await new Evaluator().execute(task, fakeContext({ model: partial }).context);
    expect(output).toMatchObject({ verdict: 'inconclusive', score: null });
    expect(output.criteria[0]).toMatchObject({ basis: 'unknown', reason: 'the model left it out' });
  });

  test('has a wrong verdict repaired, twice at most', async () => {
    const good = verdict(
      { name: 'true', score: 1, reason: 'Yes.', evidence: [] },
      { name: 'brief', score: 1, reason: 'Yes.', evidence: [] },
    );
    const task = aTask({ options: { criteria }, previous });
    const model = scriptedModel({ text: 'It is fine.' }, verdict({ name: 'true', score: 7 }), good);
    expect(await new Evaluator().execute(task, fakeContext({ model }).context)).toMatchObject({
      verdict: 'pass',
    });
    expect(model.requests[2]?.messages.at(-1)?.text).toContain('criteria.0.score');
    const hopeless = scriptedModel({ text: 'no' }, { text: 'no' }, { text: 'no' }, good);
    await expect(
      new Evaluator().execute(task, fakeContext({ model: hopeless }).context),
    ).rejects.toMatchObject({
      code: 'MODEL_ANSWER_INVALID',
    });
    expect(hopeless.requests).toHaveLength(3);
  });

  test('measures offline what can be counted, and says how', async () => {
    const task = aTask({
      text: 'What does the bridge cost, and when does it open?',
      input: MINUTES,
      previous,
    });
    const output = await new Evaluator().execute(task, fakeContext().context);
    expect(output.provider).toBe('offline');
    expect(output.criteria.map(({ name, basis }) => [name, basis])).toEqual([
      ['relevance', 'measured'],
      ['grounding', 'measured'],
      ['substance', 'measured'],
      ['clarity', 'measured'],
    ]);
    expect(output.criteria[1]).toMatchObject({
      score: 1,
      reason: '3 of 3 numbers and names occur in the material',
    });
  });

  test('finds offline the figures that the material does not hold', async () => {
    const invented = {
      'root/writer': 'The bridge costs 9.9 million francs, opens in June 2031 and is built by Losinger.',
    };
    const output = await new Evaluator().execute(
      aTask({ input: MINUTES, previous: invented }),
      fakeContext().context,
    );
    const grounding = output.criteria.find(({ name }) => name === 'grounding');
    expect(grounding).toMatchObject({
      score: 0,
      evidence: [{ source: 'root/writer', quote: invented['root/writer'] }],
    });
    expect(grounding?.reason).toContain('9.9');
  });

  test('leaves offline unknown what takes judgement', async () => {
    const output = await new Evaluator().execute(
      aTask({
        options: {
          criteria: [
            ...criteria,
            { name: 'terms', description: 'Speaks of it.', terms: ['francs', 'tunnel'] },
          ],
        },
        previous,
      }),
      fakeContext().context,
    );
    expect(output).toMatchObject({ verdict: 'inconclusive', score: null });
    expect(output.criteria.map(({ basis, score }) => [basis, score])).toEqual([
      ['unknown', null],
      ['unknown', null],
      ['measured', 0.75],
    ]);
    expect(output.criteria[0]?.evidence.length).toBeGreaterThan(0);
  });

  test('does not take an echo of the task for an answer', async () => {
    const task = 'Explain what this repository is for.';
    const react = await new React().execute(aTask({ text: task }), fakeContext().context);
    const output = await new Evaluator().execute(
      aTask({ text: task, previous: { react } }),
      fakeContext().context,
    );
    expect(output.verdict).toBe('fail');
    expect(output.criteria[0]).toMatchObject({ name: 'relevance', score: 0 });
  });

  test('refuses to judge nothing', async () => {
    await expect(new Evaluator().execute(aTask(), fakeContext().context)).rejects.toMatchObject({
      code: 'AGENT_INPUT_INVALID',
    });
  });
});
