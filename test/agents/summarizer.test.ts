import { Summarizer } from '../../src/agents/built-in/summarizer';
import { OFFLINE_NOTE } from '../../src/llm/offline/sentences';
import { scriptedModel } from '../support/scripted-model';
import { aTask, fakeContext, MINUTES } from './fake-context';

describe('summarizer', () => {
  test('condenses what came before, with its sources', async () => {
    const model = scriptedModel({ text: 'A bridge is coming.' });
    const task = aTask({
      text: 'What was decided?',
      options: { sentences: 1 },
      previous: { minutes: MINUTES, press: { text: 'A bridge!' } },
    });
    const output = await new Summarizer().execute(task, fakeContext({ model }).context);
    expect(output).toEqual({
      text: 'A bridge is coming.',
      sources: ['minutes', 'press'],
      provider: 'scripted',
      model: 'script-1',
    });
    expect(model.requests[0]?.messages[0]?.text).toContain('at most 1 sentence.');
  });

  test('chooses the sentences that matter offline', async () => {
    const task = aTask({
      text: 'What did the council decide about the bridge?',
      options: { sentences: 2 },
      previous: { minutes: MINUTES },
    });
    const { text } = await new Summarizer().execute(task, fakeContext().context);
    expect(text).toContain('approved the bridge');
    expect(text).not.toContain('Coffee');
    expect(text.endsWith(OFFLINE_NOTE)).toBe(true);
    expect(await new Summarizer().execute(task, fakeContext().context)).toMatchObject({ text });
  });

  test('takes the input, or else the task, where nothing came before', async () => {
    const fromInput = await new Summarizer().execute(
      aTask({ input: { notes: MINUTES } }),
      fakeContext().context,
    );
    expect(fromInput.sources).toEqual(['input']);
    const fromTask = await new Summarizer().execute(aTask({ text: MINUTES }), fakeContext().context);
    expect(fromTask).toMatchObject({ sources: ['task'], text: expect.stringContaining('bridge') });
  });

  test('says of each sentence where it is from when there are several sources', async () => {
    const task = aTask({
      previous: { minutes: MINUTES, report: 'The bridge needs 300 tons of steel. Steel is bought in Basel.' },
    });
    const { text } = await new Summarizer().execute(task, fakeContext().context);
    expect(text).toContain('[minutes]');
    expect(text).toContain('[report]');
    // A second summary of it does not take the note for something the text says.
    const again = await new Summarizer().execute(
      aTask({ previous: { first: { text } } }),
      fakeContext().context,
    );
    expect(again.text.split(OFFLINE_NOTE)).toHaveLength(2);
  });
});
