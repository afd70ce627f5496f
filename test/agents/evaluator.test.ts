import { Evaluator, type Verdict } from '../../src/agents/built-in/evaluator';
import type { AgentContext, AgentTask } from '../../src/agents/base-agent';
import { React } from '../../src/agents/built-in/react';
import { scriptedModel } from '../support/scripted-model';
import { aTask, fakeContext, MINUTES } from './fake-context';

/** The evaluator judging, which is what it does unless its options say otherwise. */
async function verdictOn(task: AgentTask, context: AgentContext): Promise<Verdict> {
  const output = await new Evaluator().execute(task, context);
  if (!('criteria' in output)) throw new Error('this is no verdict');
  return output;
}

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
    const output = await verdictOn(
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
    const output = await verdictOn(task, fakeContext({ model: partial }).context);
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
    const output = await verdictOn(task, fakeContext().context);
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
    const output = await verdictOn(aTask({ input: MINUTES, previous: invented }), fakeContext().context);
    const grounding = output.criteria.find(({ name }) => name === 'grounding');
    expect(grounding).toMatchObject({
      score: 0,
      evidence: [{ source: 'root/writer', quote: invented['root/writer'] }],
    });
    expect(grounding?.reason).toContain('9.9');
  });

  test('leaves offline unknown what takes judgement', async () => {
    const output = await verdictOn(
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
    const output = await verdictOn(aTask({ text: task, previous: { react } }), fakeContext().context);
    expect(output.verdict).toBe('fail');
    expect(output.criteria[0]).toMatchObject({ name: 'relevance', score: 0 });
  });

  test('refuses to judge nothing', async () => {
    await expect(new Evaluator().execute(aTask(), fakeContext().context)).rejects.toMatchObject({
      code: 'AGENT_INPUT_INVALID',
    });
  });

  describe('with a scale of levels', () => {
    const levels = [
      { name: 'good', score: 1, description: 'Everything is said.' },
      { name: 'fair', score: 0.5, description: 'Half of it is said.' },
      { name: 'poor', score: 0, description: 'Hardly anything is said.' },
    ];
    const scaled = [
      { name: 'complete', description: 'All is said.', weight: 1, levels, terms: ['bridge', 'boat'] },
    ];

    test('scores what the level the model names is worth, and takes no other', async () => {
      const answer = { name: 'complete', reason: 'No date.', evidence: [] };
      const model = scriptedModel(
        verdict({ ...answer, score: 0.8 }),
        verdict({ ...answer, level: 'superb' }),
        verdict({ ...answer, level: 'fair' }, { name: 'brief', score: 1, reason: 'Short.', evidence: [] }),
      );
      const output = await verdictOn(
        aTask({ options: { criteria: [...scaled, { ...criteria[1], weight: 1 }] }, previous }),
        fakeContext({ model }).context,
      );
      expect(output).toMatchObject({ verdict: 'pass', score: 0.75 });
      expect(output.criteria).toMatchObject([{ name: 'complete', level: 'fair', score: 0.5 }, { score: 1 }]);
      expect(output.text).toContain('- complete: fair, 0.50 (model) No date.');
      expect(model.requests[0]?.messages[0]?.text).toContain('- level "fair": Half of it is said.');
    });

    test('is measured offline by the level that the measure reaches', async () => {
      // One of two terms is three quarters of enough, which reaches the middle level.
      const output = await verdictOn(
        aTask({ options: { criteria: scaled }, previous }),
        fakeContext().context,
      );
      expect(output.criteria).toMatchObject([{ basis: 'measured', level: 'fair', score: 0.5 }]);
    });

    test('may not give two levels one name', async () => {
      const twice = scaled.map((one) => ({ ...one, levels: [...levels, ...levels] }));
      await expect(
        new Evaluator().execute(aTask({ options: { criteria: twice }, previous }), fakeContext().context),
      ).rejects.toThrow(/two have one name/);
    });
  });
});
