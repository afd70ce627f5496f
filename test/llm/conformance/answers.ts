import { z } from 'zod';
import { invokeStructured } from '../../../src/llm/structured';
import { ask, collect, endOf, NOTES, PLACE, textOf, UNICODE } from './samples';
import type { Run } from './subject';

/** Texts, streams and shapes. */
export function answers(run: Run): void {
  run('answers a text', async ({ provider, play }) => {
    play({ text: UNICODE });
    const reply = await provider.invoke(ask(`Repeat: ${UNICODE}`));
    expect(reply).toMatchObject({ provider: provider.name, finishReason: 'stop', toolCalls: [] });
    expect(reply.text).toContain(UNICODE);
  });

  run('answers through a stream what it answers at once', async ({ provider, play }) => {
    play({ text: UNICODE }, { text: UNICODE });
    const whole = await provider.invoke(ask(`Repeat: ${UNICODE}`));
    const chunks = await collect(provider.invokeStreaming(ask(`Repeat: ${UNICODE}`)));
    expect(endOf(chunks)).toEqual(whole);
    expect(textOf(chunks)).toBe(whole.text);
  });

  run('ends a stream with exactly one end chunk', async ({ provider, play }) => {
    play({ text: 'One, two.' });
    const types = (await collect(provider.invokeStreaming(ask('Count. To two.')))).map((chunk) => chunk.type);
    expect(types.filter((type) => type === 'end')).toHaveLength(1);
    expect(types.at(-1)).toBe('end');
  });

  run('keeps characters whole however the network cuts them', async ({ provider, play }) => {
    play({ text: UNICODE, writeBytes: 1, deltaChars: 3 });
    expect(textOf(await collect(provider.invokeStreaming(ask(`Repeat: ${UNICODE}`))))).toContain(UNICODE);
  });

  run('streams reasoning apart from the text', async ({ provider, play }) => {
    play({ reasoning: 'First I think about it.', text: 'Then I answer.' });
    const chunks = await collect(provider.invokeStreaming(ask('Think.')));
    const reasoning = chunks.flatMap((chunk) => (chunk.type === 'reasoning' ? [chunk.text] : [])).join('');
    expect(reasoning).toBe('First I think about it.');
    expect(textOf(chunks)).toBe('Then I answer.');
    expect(endOf(chunks)?.text).toBe('Then I answer.');
  });
}

/** Structured answers. */
export function shapes(run: Run): void {
  run('gives an answer of a schema', async ({ provider, play }) => {
    play({ text: '{"city":"the city of Oslo","year":1994}' });
    const { value, attempts } = await invokeStructured(provider, {
      ...ask(NOTES),
      schema: { name: 'place', type: PLACE },
    });
    expect(value).toEqual({ city: expect.stringContaining('Oslo'), year: 1994 });
    expect(attempts).toHaveLength(1);
  });

  run('gives an answer whose schema is not an object', async ({ provider, play, lastBody }) => {
    play({ text: '{"value":["Oslo 1994"]}' });
    const schema = { name: 'facts', type: z.array(z.string()) };
    const { value } = await invokeStructured(provider, { ...ask(NOTES), schema });
    expect(value.join(' ')).toContain('1994');
    if (lastBody() !== undefined) expect(JSON.stringify(lastBody())).toMatch(/\\?"type\\?":\\?"object\\?"/);
  });

  run('takes optional keys as absent, not as null', async ({ provider, play }) => {
    play({ text: '{"city":"Oslo","address":null}' });
    const address = z.array(z.strictObject({ street: z.string() })).optional();
    const type = z.object({ city: z.string().describe('city'), address });
    const { value } = await invokeStructured(provider, { ...ask(NOTES), schema: { name: 'place', type } });
    expect('address' in value).toBe(false);
    expect(value.city).toContain('Oslo');
  });
}
