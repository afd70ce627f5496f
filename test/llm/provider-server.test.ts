import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { openAiCompatibleProvider } from '../../src/llm/providers/openai-compatible';
import { seededScript } from '../support/provider-server/seeded';
import { startProviderServer } from '../support/provider-server/server';
import { providerFor } from './subjects';

const HELLO = { messages: [{ role: 'user' as const, text: 'Hello.' }] };

test('runs as a process of its own and ends with its parent', async () => {
  const main = join(__dirname, '../support/provider-server/main.js');
  const child = spawn(process.execPath, [main, '--fault', 'overloaded', '--text', 'From afar.'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
  const { openAiUrl } = JSON.parse(line) as { openAiUrl: string };
  const provider = openAiCompatibleProvider({ baseUrl: openAiUrl });
  await expect(provider.invoke(HELLO)).rejects.toMatchObject({ code: 'MODEL_OVERLOADED' });
  await expect(provider.invoke(HELLO)).resolves.toMatchObject({ text: 'From afar.' });
  child.stdin.end();
  expect(await exited).toEqual([0, null]);
});

test('a script that ran out is a failure, not an answer', async () => {
  await using server = await startProviderServer({ script: [{ text: 'once' }] });
  const provider = providerFor('chat', server);
  await provider.invoke(HELLO);
  await expect(provider.invoke(HELLO)).rejects.toMatchObject({
    message: expect.stringContaining('the script ran out'),
  });
});

test('refuses what the real APIs refuse', async () => {
  await using server = await startProviderServer({ keys: ['right'], script: () => ({ text: 'ok' }) });
  const wrong = providerFor('messages', server, { apiKey: 'wrong-but-long-enough' });
  await expect(wrong.invoke(HELLO)).rejects.toMatchObject({ code: 'MODEL_KEY_INVALID' });
  await expect(wrong.check?.()).rejects.toMatchObject({ code: 'MODEL_KEY_INVALID' });
  const right = providerFor('messages', server, { apiKey: 'right' });
  const stray = { messages: [...HELLO.messages, { role: 'tool' as const, toolCallId: 'nobody', text: '1' }] };
  await expect(right.invoke(stray)).rejects.toMatchObject({ code: 'MODEL_REQUEST_INVALID' });
});

test('a seed plays the same faults again', () => {
  const play = (seed: number) =>
    Array.from({ length: 50 }, (_, index) => seededScript({ seed, share: 0.4 })({} as never, index));
  expect(play(7)).toEqual(play(7));
  expect(play(7)).not.toEqual(play(8));
  const faults = play(7).filter((step) => 'fault' in step).length;
  expect(faults).toBeGreaterThan(8);
  expect(faults).toBeLessThan(35);
});
