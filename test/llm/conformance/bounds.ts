import { UNKNOWN_USAGE } from '../../../src/llm/model-error';
import type { ScriptStep } from '../../support/provider-server/script';
import { ask, collect, endOf, LOOKUP, PLACE } from './samples';
import type { Run } from './subject';

/** Usage, limits and counts. */
export function accounts(run: Run): void {
  run('reports usage, and null where it is unknown', async ({ provider, play }) => {
    const usageOfOne = { input: 20, output: 9, cached: 5, cacheWrite: 6, reasoning: 4 };
    play({ text: 'a', usage: usageOfOne }, { text: 'b', usage: null });
    const { usage } = await provider.invoke(ask('Hello. There.'));
    const streamed = endOf(await collect(provider.invokeStreaming(ask('Hello. There.'))))?.usage;
    const unknown = { ...UNKNOWN_USAGE };
    const known = {
      inputTokens: 20,
      outputTokens: 9,
      cachedInputTokens: 5,
      cacheWriteTokens: 6,
      reasoningTokens: 4,
    };
    expect([known, unknown]).toContainEqual(usage);
    expect(streamed).toEqual(unknown);
  });

  run('says when the output limit was reached', async ({ provider, play }) => {
    play({ text: 'This was cut', finish: 'length' }, { text: 'This was cut', finish: 'length' });
    const { finishReason } = await provider.invoke(ask('Write much.', { maxOutputTokens: 3 }));
    const chunks = await collect(provider.invokeStreaming(ask('Write much.', { maxOutputTokens: 3 })));
    expect([finishReason, endOf(chunks)?.finishReason]).toEqual(['length', 'length']);
  });

  run('sends the system text, the limit and the tools', async ({ provider, play, lastBody }) => {
    play({ text: 'ok' });
    await provider.invoke(
      ask('Hi', { system: 'Be brief.', maxOutputTokens: 77, tools: [LOOKUP], toolChoice: 'none' }),
    );
    const sent = JSON.stringify(lastBody());
    for (const part of ['Be brief.', '77', '"lookup"', 'none', provider.model]) expect(sent).toContain(part);
  });

  run('counts the tokens of a request', async ({ provider }) => {
    const short = await provider.countTokens(ask('Hi'));
    const long = await provider.countTokens(
      ask('Hi '.repeat(500), { tools: [LOOKUP], schema: { name: 'place', type: PLACE } }),
    );
    expect(short).toBeGreaterThan(0);
    expect(long).toBeGreaterThan(short + 100);
  });

  run('checks its key without a model call', async ({ provider }) => {
    await expect(provider.check?.()).resolves.toBeUndefined();
  });

  run('is usable by many at once', async ({ provider, play }) => {
    play(
      ...Array.from({ length: 20 }, (_, index): ScriptStep => ({
        text: `Answer ${index}.`,
        delayMs: index % 3,
      })),
    );
    const replies = await Promise.all(
      Array.from({ length: 20 }, (_, index) => provider.invoke(ask(`Answer ${index}. Say it.`))),
    );
    expect(new Set(replies.map((reply) => reply.text)).size).toBe(20);
  });
}

/** Aborts of every kind. */
export function aborts(run: Run): void {
  const reason = new Error('cancelled by the caller');

  run('rejects with the reason when it is aborted before the call', async ({ provider }) => {
    const signal = AbortSignal.abort(reason);
    await expect(provider.invoke(ask('Hi'), { signal })).rejects.toBe(reason);
    await expect(collect(provider.invokeStreaming(ask('Hi'), { signal }))).rejects.toBe(reason);
    await expect(provider.countTokens(ask('Hi'), { signal })).rejects.toBe(reason);
  });

  run('rejects with the reason when it is aborted during the call', async ({ provider, play }) => {
    play({ fault: 'silent-hang' });
    const controller = new AbortController();
    const call = provider.invoke(ask('Hi'), { signal: controller.signal });
    setTimeout(() => controller.abort(reason), 30);
    await expect(call).rejects.toBe(reason);
  });

  run('rejects with the reason when a stream is aborted', async ({ provider, play }) => {
    play({ fault: 'silent-mid-answer' });
    const controller = new AbortController();
    const read = async (): Promise<void> => {
      for await (const chunk of provider.invokeStreaming(ask('Hi. You.'), { signal: controller.signal })) {
        if (chunk.type === 'text') controller.abort(reason);
      }
    };
    await expect(read()).rejects.toBe(reason);
  });

  run('hangs up when its stream is left', async ({ provider, play, hungUp }) => {
    play({ fault: 'silent-mid-answer' });
    for await (const chunk of provider.invokeStreaming(ask('Hi'))) if (chunk.type === 'text') break;
    expect(await hungUp()).toBe(true);
  });
}
