import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** How fast, and how much, each stream of the provider says. */
export interface Pace {
  readonly tokens: number;
  readonly everyMs: number;
}

/** A model provider over real HTTP whose every token tells its number and the moment at which it was written. */
export interface StreamProvider extends AsyncDisposable {
  /** For an OpenAI-compatible client. */
  readonly url: string;
  /** Tokens written in whole, and streams under way. */
  readonly said: { tokens: number; open: number };
  pace: Pace;
}

/** A token as it was written. */
export interface SaidToken {
  readonly index: number;
  readonly atMs: number;
}

/** Milliseconds since the epoch, finer than a millisecond; one clock for whoever writes and whoever reads. */
export const nowMs = (): number => performance.timeOrigin + performance.now();

/** The tokens in a text; what a token's middle cuts off is left for later. */
export function tokensIn(text: string): { readonly tokens: readonly SaidToken[]; readonly rest: string } {
  const end = text.lastIndexOf(';') + 1;
  const tokens = [...text.slice(0, end).matchAll(/(\d+)@([\d.]+);/g)].map(([, index, at]) => ({
    index: Number(index),
    atMs: Number(at),
  }));
  return { tokens, rest: text.slice(end) };
}

export async function startStreamProvider(pace: Pace): Promise<StreamProvider> {
  const provider = { said: { tokens: 0, open: 0 }, pace };
  const server = createServer((request, response) => {
    void speak(provider, request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return Object.assign(provider, {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  });
}

async function speak(
  { said, pace: { tokens, everyMs } }: Pick<StreamProvider, 'said' | 'pace'>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  for await (const _ of request);
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  said.open += 1;
  let index = 0;
  const timer = setInterval(() => {
    if (index < tokens) {
      response.write(event({ content: `${index}@${nowMs().toFixed(3)};` }));
      said.tokens += 1;
      index += 1;
      return;
    }
    clearInterval(timer);
    response.end(`${event({}, 'stop')}data: [DONE]\n\n`);
  }, everyMs);
  response.on('close', () => {
    clearInterval(timer);
    said.open -= 1;
  });
}

function event(delta: object, finishReason: string | null = null): string {
  const choices = [{ index: 0, delta, finish_reason: finishReason }];
  const usage =
    finishReason === null ? {} : { usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 } };
  const chunk = {
    id: 'bench',
    object: 'chat.completion.chunk',
    created: 0,
    model: 'bench',
    choices,
    ...usage,
  };
  return `data: ${JSON.stringify(chunk)}\n\n`;
}
