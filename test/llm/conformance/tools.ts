import type { ScriptedAnswer } from '../../support/provider-server/script';
import { ask, collect, endOf, LOOKUP } from './samples';
import type { Run } from './subject';

/** Tool calls, their results, and the state of a turn. */
export function tools(run: Run): void {
  const task = 'Look up the population of the city "Oslo"';
  const request = ask(task, { tools: [LOOKUP] });
  const call: ScriptedAnswer = { toolCalls: [{ id: 'call_a', name: 'lookup', arguments: { name: 'Oslo' } }] };

  run('calls a tool', async ({ provider, play }) => {
    play(call, call);
    const reply = await provider.invoke(request);
    expect(reply.finishReason).toBe('tool-calls');
    expect(reply.toolCalls).toEqual([
      { id: expect.any(String), name: 'lookup', arguments: { name: 'Oslo' } },
    ]);
    const chunks = await collect(provider.invokeStreaming(request));
    expect(endOf(chunks)?.toolCalls).toEqual(reply.toolCalls);
    const written = chunks
      .flatMap((chunk) => (chunk.type === 'tool-call' ? [chunk.argumentsDelta] : []))
      .join('');
    expect(JSON.parse(written)).toEqual({ name: 'Oslo' });
  });

  run('takes the result of a tool', async ({ provider, play }) => {
    play(call, { text: 'Oslo has 700000 people.' });
    const first = await provider.invoke(request);
    const [made] = first.toolCalls;
    const second = await provider.invoke({
      ...request,
      messages: [
        ...request.messages,
        { role: 'assistant', text: first.text, toolCalls: first.toolCalls },
        { role: 'tool', toolCallId: made?.id ?? '', text: '700000' },
      ],
    });
    expect(second.finishReason).toBe('stop');
    expect(second.text).toContain('700000');
  });

  run('makes several tool calls in one turn', async ({ provider, play }) => {
    const both = ['Oslo', 'Rome'].map((city, index) => ({
      id: `call_${index}`,
      name: 'lookup',
      arguments: { name: city },
    }));
    play({ toolCalls: both }, { toolCalls: both }, { text: 'Both are known: 1 and 2.' });
    const two = ask('Look up the population of the cities "Oslo" and "Rome"', { tools: [LOOKUP] });
    const reply = await provider.invoke(two);
    expect(reply.toolCalls.map((made) => made.arguments)).toEqual([{ name: 'Oslo' }, { name: 'Rome' }]);
    expect(new Set(reply.toolCalls.map((made) => made.id)).size).toBe(2);
    expect(endOf(await collect(provider.invokeStreaming(two)))?.toolCalls).toEqual(reply.toolCalls);
    const results = reply.toolCalls.map((made, index) => ({
      role: 'tool' as const,
      toolCallId: made.id,
      text: String(index + 1),
    }));
    const turn = { role: 'assistant' as const, text: '', toolCalls: reply.toolCalls };
    const end = await provider.invoke({ ...two, messages: [...two.messages, turn, ...results] });
    expect(end.text).toMatch(/1[\s\S]*2/);
  });

  run('hands back its own state of a turn', async ({ provider, play, lastBody }) => {
    play({ ...call, sealedReasoning: 'sealed-by-the-provider', reasoning: 'hm' }, { text: 'Done.' });
    const first = await provider.invoke(request);
    expect(first.state?.provider).toBe(provider.name);
    const turn = {
      role: 'assistant' as const,
      text: first.text,
      toolCalls: first.toolCalls,
      ...(first.state && { state: first.state }),
    };
    const result = { role: 'tool' as const, toolCallId: 'call_a', text: '700000' };
    await provider.invoke({ ...request, messages: [...request.messages, turn, result] });
    expect(JSON.stringify(lastBody())).toContain('sealed-by-the-provider');
  });
}
