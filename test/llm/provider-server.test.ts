import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { anthropicProvider } from '../../src/llm/providers/anthropic';
import { openAiCompatibleProvider } from '../../src/llm/providers/openai-compatible';
import type { FaultName } from '../support/provider-server/faults';
import { seededScript } from '../support/provider-server/seeded';
import { startProviderServer } from '../support/provider-server/server';
import { temporaryFolder } from '../support/team';
import { OUTCOMES } from './fault-outcomes';
import { providerFor, TEST_KEY } from './subjects';

const MAIN = join(__dirname, '../support/provider-server/main.js');
const HELLO = { messages: [{ role: 'user' as const, text: 'Hello.' }] };

test('runs as a process of its own and ends with its parent', async () => {
  const child = spawn(process.execPath, [MAIN, '--fault', 'overloaded', '--text', 'From afar.'], {
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

test('a process plays a script of a file, then what a seed draws, for those with a key', async () => {
  using folder = temporaryFolder('provider-server');
  const file = join(folder.path, 'script.json');
  writeFileSync(file, JSON.stringify([{ text: 'One.' }, { fault: 'rate-limited' }]));
  const options = ['--script', file, '--seed', '7', '--share', '1', '--key', TEST_KEY];
  const child = spawn(process.execPath, [MAIN, ...options], { stdio: ['pipe', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
  const { anthropicUrl } = JSON.parse(line) as { anthropicUrl: string };
  const provider = anthropicProvider({ baseUrl: anthropicUrl, apiKey: TEST_KEY, timeoutMs: 300 });
  await expect(provider.invoke(HELLO)).resolves.toMatchObject({ text: 'One.' });
  await expect(provider.invoke(HELLO)).rejects.toMatchObject({ code: 'MODEL_RATE_LIMITED' });
  const drawn = seededScript({ seed: 7, share: 1 })({} as never, 2) as { fault: FaultName };
  await expect(provider.invoke(HELLO)).rejects.toMatchObject({ code: OUTCOMES[drawn.fault].invoke });
  const stranger = anthropicProvider({ baseUrl: anthropicUrl, apiKey: 'a-key-of-someone-else' });
  await expect(stranger.invoke(HELLO)).rejects.toMatchObject({ code: 'MODEL_KEY_INVALID' });
  child.kill();
  await exited;
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
