import type { ModelRequest } from '../../src/llm/port';
import { startProviderServer, type ProviderServer } from '../support/provider-server/server';
import { ask, LOOKUP } from './conformance/samples';
import { providerFor } from './subjects';

let server: ProviderServer;
beforeAll(async () => {
  server = await startProviderServer();
});
afterAll(() => server.close());

async function bodyOf(request: ModelRequest, model?: string): Promise<Readonly<Record<string, unknown>>> {
  server.play([{ text: 'ok' }]);
  await providerFor('messages', server, { model }).invoke(request);
  return server.requests.at(-1)?.body ?? {};
}

/** Where a body has its cache breakpoints, as paths. */
function breakpoints(value: unknown, path = ''): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, held]) =>
    key === 'cache_control' ? [path] : breakpoints(held, `${path}/${key}`),
  );
}

test('a single question caches its system text alone', async () => {
  expect(breakpoints(await bodyOf(ask('Hi')))).toEqual([]);
  expect(breakpoints(await bodyOf(ask('Hi', { system: 'Be brief.' })))).toEqual(['/system/0']);
});

test('tools, system text and the last two turns of a conversation end cached prefixes', async () => {
  const turns = [1, 2, 3].flatMap((round): ModelRequest['messages'] => {
    const calls = [1, 2].map((nth) => ({ id: `call_${round}_${nth}`, name: 'lookup', arguments: {} }));
    const results = calls.map(({ id }) => ({ role: 'tool' as const, toolCallId: id, text: 'found' }));
    return [{ role: 'assistant', text: '', toolCalls: calls }, ...results];
  });
  const messages: ModelRequest['messages'] = [{ role: 'user', text: 'Look it up.' }, ...turns];
  const body = await bodyOf({ messages, system: 'Be brief.', tools: [{ ...LOOKUP, name: 'other' }, LOOKUP] });
  expect(breakpoints(body).toSorted()).toEqual([
    '/messages/4/content/1',
    '/messages/6/content/1',
    '/system/0',
    '/tools/1',
  ]);
});

test('a model that thinks by itself is told to call a tool, since it refuses to be forced', async () => {
  const request = ask('Hi', { tools: [LOOKUP], toolChoice: 'required' });
  const body = await bodyOf(request);
  expect(body).toMatchObject({ tool_choice: { type: 'auto' } });
  expect(JSON.stringify(body['system'])).toContain('calling at least one of the tools');
  await expect(bodyOf(request, 'claude-opus-4-8')).rejects.toMatchObject({
    message: expect.stringContaining('forced tool use'),
  });
});

test.each(['messages', 'responses'] as const)('thinking over %s stays with its model', async (wire) => {
  const call = { toolCalls: [{ id: 'call_a', name: 'lookup', arguments: {} }], sealedReasoning: 'sealed' };
  server.play([call, { text: 'ok' }, { text: 'ok' }]);
  const request = ask('Hi', { tools: [LOOKUP] });
  const { text, toolCalls, state } = await providerFor(wire, server).invoke(request);
  const turn = { role: 'assistant' as const, text, toolCalls, ...(state && { state }) };
  const result = { role: 'tool' as const, toolCallId: 'call_a', text: 'found' };
  const next = { ...request, messages: [...request.messages, turn, result] };
  await providerFor(wire, server).invoke(next);
  expect(JSON.stringify(server.requests.at(-1)?.body)).toContain('sealed');
  await providerFor(wire, server, { model: 'another-model' }).invoke(next);
  expect(JSON.stringify(server.requests.at(-1)?.body)).not.toContain('sealed');
});
