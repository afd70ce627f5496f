import type { ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RecordedRequest, Renderer, ScriptedAnswer, WireName } from './script';

/** One exchange a fault may spoil. */
export interface Exchange {
  readonly request: RecordedRequest;
  readonly response: ServerResponse;
  readonly wire: WireName;
  readonly renderer: Renderer;
  /** Whether the other side is still there. */
  readonly isOpen: () => boolean;
  /** Answers regularly. */
  readonly answer: (answer: ScriptedAnswer) => Promise<void>;
}

type Fault = (exchange: Exchange) => void | Promise<void>;

const MEGABYTE = 1024 * 1024;
const LONG_TEXT = 'The answer begins like any other and is long enough to be cut in its middle. '.repeat(4);

/** Everything that can go wrong at a provider, by name. Each ends in the outcome that docs/models.md states. */
export const FAULTS = {
  'rate-limited': status(429, 'rate_limit_error', 'Too many requests', { 'retry-after': '7' }),
  'rate-limited-until': (exchange) => {
    const at = new Date(Date.now() + 30_000).toUTCString();
    return status(429, 'rate_limit_error', 'Too many requests', { 'retry-after': at })(exchange);
  },
  'rate-limited-ms': status(429, 'rate_limit_error', 'Too many requests', {
    'retry-after-ms': '1500',
    'retry-after': '9',
  }),
  'quota-exhausted': (exchange) =>
    exchange.wire === 'messages'
      ? status(400, 'invalid_request_error', 'Your credit balance is too low to access the API.')(exchange)
      : status(429, 'insufficient_quota', 'You exceeded your current quota.')(exchange),
  'payment-required': status(402, 'billing_error', 'Payment required'),
  'server-error': status(500, 'api_error', 'Internal server error'),
  'bad-gateway-html': html(502),
  unavailable: status(503, 'service_unavailable', 'Service unavailable', { 'retry-after': '3' }),
  'gateway-timeout': status(504, 'timeout_error', 'Gateway timeout'),
  overloaded: status(529, 'overloaded_error', 'Overloaded'),
  conflict: status(409, 'conflict_error', 'Conflict'),
  'key-invalid': (exchange) => {
    const key = String(exchange.request.headers['x-api-key'] ?? exchange.request.headers.authorization);
    return status(401, 'authentication_error', `Incorrect API key provided: ${key}.`)(exchange);
  },
  forbidden: status(403, 'permission_error', 'This key may not use this model'),
  'model-unknown': status(404, 'not_found_error', 'model: no-such-model'),
  'request-invalid': (exchange) =>
    status(400, 'invalid_request_error', `Cannot process ${JSON.stringify(exchange.request.body)}`)(exchange),
  unprocessable: status(422, 'invalid_request_error', 'Unprocessable'),
  'too-large': status(413, 'request_too_large', 'Request exceeds the maximum size'),
  'context-too-long': (exchange) =>
    exchange.wire === 'messages'
      ? status(400, 'invalid_request_error', 'prompt is too long: 215001 tokens > 200000 maximum')(exchange)
      : status(
          400,
          'invalid_request_error',
          "This model's maximum context length is 8192 tokens.",
          {},
          'context_length_exceeded',
        )(exchange),
  redirect: ({ response }) => {
    response.writeHead(301, { location: 'http://127.0.0.1:9/elsewhere' }).end();
  },
  'reset-before-answer': ({ response }) => {
    response.destroy();
  },
  'reset-mid-answer': async (exchange) => {
    startAnswer(exchange);
    await sleep(20);
    exchange.response.destroy();
  },
  'silent-hang': () => undefined,
  'silent-mid-answer': (exchange) => startAnswer(exchange),
  'slow-drip': async (exchange) => {
    const { response, isOpen } = exchange;
    const written = rendered(exchange, { text: LONG_TEXT });
    response.writeHead(200, { 'content-type': contentType(exchange) });
    for (const character of written) {
      if (!isOpen()) return;
      response.write(character);
      await sleep(20);
    }
    response.end();
  },
  'truncated-answer': (exchange) => {
    startAnswer(exchange);
    exchange.response.end();
  },
  'html-body': html(200),
  'empty-body': ({ response }) => {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': '0' }).end();
  },
  'invalid-json': (exchange) => {
    const { response, request } = exchange;
    response.writeHead(200, { 'content-type': contentType(exchange) });
    response.end(
      request.streaming ? 'event: message_start\ndata: {"type": nonsense}\n\n' : '{"id": nonsense}',
    );
  },
  'wrong-shape': (exchange) => json(exchange, 200, [1, 2, 3]),
  'empty-choices': (exchange) =>
    exchange.request.streaming
      ? exchange.answer({})
      : json(exchange, 200, exchange.renderer.empty('empty-model')),
  'schema-invalid': (exchange) => exchange.answer({ text: '{"unexpected": true}' }),
  'not-json-answer': (exchange) => exchange.answer({ text: 'I would rather describe it in prose.' }),
  'unknown-tool': (exchange) => exchange.answer({ toolCalls: [{ name: 'launch-rocket', arguments: {} }] }),
  'malformed-arguments': (exchange) =>
    exchange.answer({ toolCalls: [{ name: 'add', arguments: '{"a": 1, "b"' }] }),
  'duplicate-tool-call-id': (exchange) =>
    exchange.answer({
      toolCalls: [
        { id: 'same', name: 'add', arguments: { a: 1, b: 2 } },
        { id: 'same', name: 'add', arguments: { a: 3, b: 4 } },
      ],
    }),
  'length-limit': (exchange) => exchange.answer({ text: '{"name": "cut o', finish: 'length' }),
  refusal: (exchange) => exchange.answer({ text: 'I cannot help with that.', finish: 'refusal' }),
  'huge-answer': (exchange) => exchange.answer({ text: 'x'.repeat(10 * MEGABYTE), deltaChars: 64 * 1024 }),
  'endless-stream': endlessStream,
  'error-mid-stream': (exchange) => {
    const { response, request, renderer } = exchange;
    if (!request.streaming) return status(529, 'overloaded_error', 'Overloaded')(exchange);
    startAnswer(exchange);
    response.end(renderer.errorEvent('overloaded_error', 'Overloaded'));
  },
} satisfies Record<string, Fault>;

export type FaultName = keyof typeof FAULTS;
/** The names of all faults. */
export const FAULT_NAMES = Object.keys(FAULTS) as readonly FaultName[];

function status(
  code: number,
  type: string,
  message: string,
  headers: Record<string, string> = {},
  word: string | null = null,
): Fault {
  return (exchange) => {
    const { response, renderer } = exchange;
    const body = JSON.stringify(renderer.error(type, word ?? type, message));
    response.writeHead(code, { 'content-type': 'application/json', ...headers }).end(body);
  };
}

function html(code: number): Fault {
  return ({ response }) => {
    response.writeHead(code, { 'content-type': 'text/html' });
    response.end(
      '<!doctype html><html><head><title>Bad gateway</title></head><body><h1>nginx</h1></body></html>',
    );
  };
}

function json({ response }: Exchange, code: number, body: unknown): void {
  response.writeHead(code, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

function contentType({ request }: Exchange): string {
  return request.streaming ? 'text/event-stream' : 'application/json';
}

function rendered({ request, renderer }: Exchange, answer: ScriptedAnswer): string {
  if (request.streaming) return renderer.events(answer, 'fault-model').join('');
  return JSON.stringify(renderer.body(answer, 'fault-model'));
}

/** The part of an answer that arrives: whole events of a stream, or the first third of a body. */
function beginning(written: string, streaming: boolean): string {
  const start = written.slice(0, Math.floor(written.length / 3));
  return streaming ? start.slice(0, start.lastIndexOf('\n\n') + 2) : start;
}

function startAnswer(exchange: Exchange): void {
  exchange.response.writeHead(200, { 'content-type': contentType(exchange) });
  exchange.response.write(beginning(rendered(exchange, { text: LONG_TEXT }), exchange.request.streaming));
}

async function endlessStream(exchange: Exchange): Promise<void> {
  const { request, response, renderer, isOpen } = exchange;
  response.writeHead(200, { 'content-type': contentType(exchange) });
  const written = request.streaming
    ? renderer.events({ text: 'x'.repeat(8192), deltaChars: 8192 }, 'fault-model')
    : [];
  const delta = written.find((event) => event.includes('xxxxxxxx')) ?? ' '.repeat(8192);
  const opening = written.slice(0, written.indexOf(delta));
  response.write(opening.join(''));
  while (isOpen()) {
    if (!response.write(delta)) await sleep(1);
  }
}
