import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { chat } from './chat';
import { FAULTS, type Exchange } from './faults';
import { messages } from './messages';
import { responses } from './responses';
import type { RecordedRequest, Renderer, Script, ScriptedAnswer, ScriptStep, WireName } from './script';
import { complaint } from './validate';

const RENDERERS: Readonly<Record<WireName, Renderer>> = { responses, chat, messages };
const ROUTES: Readonly<Record<string, WireName | 'count' | 'models'>> = {
  'POST /v1/responses': 'responses',
  'POST /v1/chat/completions': 'chat',
  'POST /v1/messages': 'messages',
  'POST /v1/responses/input_tokens': 'count',
  'POST /v1/messages/count_tokens': 'count',
  'GET /v1/models': 'models',
};

export interface ProviderServerOptions {
  readonly script?: Script;
  /** Keys that are let in; without any, every key is, and none. */
  readonly keys?: readonly string[];
  /** What this server does not take: the refusal of a call, or undefined. A refused call takes no step of the script. */
  readonly refuses?: (body: RecordedRequest['body'], wire: WireName) => Refusal | undefined;
  readonly port?: number;
}

/** A refusal; the status is 400 unless told. */
export interface Refusal {
  readonly status?: number;
  readonly message: string;
}

/** A running server: where it is, what it was asked, and what it says next. */
export interface ProviderServer extends AsyncDisposable {
  readonly port: number;
  /** For OpenAI's SDK. */
  readonly openAiUrl: string;
  /** For Anthropic's SDK, which adds `/v1` itself. */
  readonly anthropicUrl: string;
  readonly requests: readonly RecordedRequest[];
  /** Forgets the requests and starts another script. */
  play(script: Script): void;
  close(): Promise<void>;
}

/** Starts a model provider over real HTTP on a free port. A script that ran out answers 500. */
export async function startProviderServer(options: ProviderServerOptions = {}): Promise<ProviderServer> {
  const requests: RecordedRequest[] = [];
  let script = options.script ?? [];
  let step = 0;
  const next = (request: RecordedRequest): ScriptStep | undefined =>
    typeof script === 'function' ? script(request, step++) : script[step++];

  const server = createServer((incoming, response) => {
    void serve({ incoming, response, requests, next, options }).catch(() => response.destroy());
  });
  const port = await listen(server, options.port ?? 0);
  const close = async (): Promise<void> => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  return {
    port,
    openAiUrl: `http://127.0.0.1:${port}/v1`,
    anthropicUrl: `http://127.0.0.1:${port}`,
    requests,
    play(another) {
      requests.length = 0;
      script = another;
      step = 0;
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

interface Serving {
  readonly incoming: IncomingMessage;
  readonly response: ServerResponse;
  readonly requests: RecordedRequest[];
  readonly next: (request: RecordedRequest) => ScriptStep | undefined;
  readonly options: ProviderServerOptions;
}

async function serve({ incoming, response, requests, next, options }: Serving): Promise<void> {
  const { keys, refuses } = options;
  const path = new URL(incoming.url ?? '/', 'http://localhost').pathname;
  const route = ROUTES[`${incoming.method} ${path}`];
  const body = await readBody(incoming);
  if (route === undefined)
    return send(response, 404, { error: { type: 'not_found_error', message: 'no such address' } });
  const request: RecordedRequest = {
    wire: route,
    path,
    headers: incoming.headers,
    body,
    streaming: body['stream'] === true,
    hungUp: false,
  };
  requests.push(request);
  response.on('close', () => {
    request.hungUp = !response.writableFinished;
  });
  const wire = route === 'count' || route === 'models' ? wireOf(incoming) : route;
  const renderer = RENDERERS[wire];
  if (keys !== undefined && !keys.includes(keyOf(incoming))) {
    return send(response, 401, renderer.error('authentication_error', 'invalid_api_key', 'Invalid key'));
  }
  if (route === 'models')
    return send(response, 200, { object: 'list', data: [], has_more: false, first_id: null, last_id: null });
  // A count takes what a call takes, but for the bound of an answer that nobody writes.
  const problem = complaint(wire, route === 'count' ? { max_tokens: 1, ...body } : body);
  if (problem !== undefined)
    return send(response, 400, renderer.error('invalid_request_error', null, problem));
  if (route === 'count')
    return send(response, 200, { object: 'response.input_tokens', input_tokens: countOf(body) });
  const refusal = refuses?.(body, wire);
  if (refusal !== undefined) {
    const { status = 400, message } = refusal;
    return send(response, status, renderer.error('invalid_request_error', null, message));
  }
  await play({ request, response, wire, renderer }, next(request));
}

async function play(
  { request, response, wire, renderer }: Pick<Exchange, 'request' | 'response' | 'wire' | 'renderer'>,
  step: ScriptStep | undefined,
): Promise<void> {
  if (step === undefined) return send(response, 500, renderer.error('api_error', null, 'the script ran out'));
  const isOpen = (): boolean => !response.closed && !response.destroyed;
  const answer = async (given: ScriptedAnswer): Promise<void> => {
    const model = String(request.body['model']);
    if (given.delayMs !== undefined) await sleep(given.delayMs);
    if (!request.streaming) return send(response, 200, renderer.body(given, model));
    response.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache',
    });
    for (const part of writes(renderer.events(given, model), given.writeBytes ?? 0)) {
      if (!isOpen()) return;
      if (!response.write(part)) await sleep(1);
    }
    response.end();
  };
  if ('fault' in step) await FAULTS[step.fault]({ request, response, wire, renderer, isOpen, answer });
  else await answer(step);
}

function* writes(events: readonly string[], bytes: number): Generator<string | Buffer> {
  if (bytes === 0) {
    yield* events;
    return;
  }
  const all = Buffer.from(events.join(''));
  for (let at = 0; at < all.length; at += bytes) yield all.subarray(at, at + bytes);
}

async function readBody(incoming: IncomingMessage): Promise<Readonly<Record<string, unknown>>> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString();
  return text === '' ? {} : (JSON.parse(text) as Record<string, unknown>);
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

function keyOf({ headers }: IncomingMessage): string {
  return String(headers['x-api-key'] ?? headers.authorization?.replace(/^Bearer /, '') ?? '');
}

function wireOf({ headers, url = '' }: IncomingMessage): WireName {
  if (headers['anthropic-version'] !== undefined) return 'messages';
  return url.includes('/responses') ? 'responses' : 'chat';
}

/** One token per four characters of what was asked: an invented count, but one that grows with the request. */
function countOf(body: Readonly<Record<string, unknown>>): number {
  return Math.ceil(JSON.stringify(body).length / 4);
}

function listen(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
  });
}
