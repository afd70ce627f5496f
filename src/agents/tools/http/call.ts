import { type IncomingMessage, type RequestOptions, request as plainRequest } from 'node:http';
import { request as tlsRequest } from 'node:https';
import { AppError } from '../../../protocol/failures';
import type { JsonObject } from '../../../protocol/json';
import { permit, type Resolve } from './guard';

/** One HTTP request of a tool. */
export interface HttpCall {
  readonly url: string;
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface HttpBounds {
  readonly signal: AbortSignal;
  readonly allowHosts: readonly string[] | undefined;
  readonly resolve: Resolve;
  readonly timeoutMs: number;
  readonly bodyBytes: number;
}

/** What came back. */
export interface HttpAnswer {
  readonly status: number;
  readonly mediaType: string;
  /** Where the server redirects to; nobody follows it. */
  readonly location: string | undefined;
  readonly body: Buffer;
  /** Whether the body was longer than the bound. */
  readonly cut: boolean;
}

/** A call that failed, and whether the server may have acted on it all the same. */
export class HttpFailure {
  constructor(
    readonly message: string,
    readonly sent: boolean,
  ) {}
}

/**
 * Makes one HTTP call: guarded, bounded in time and size, without redirects, proxies, cookies or a connection that outlives
 * it. Throws INPUT_INVALID and TOOL_FORBIDDEN as `permit`, and the signal's reason; what goes wrong on the way is returned.
 */
export async function callHttp(call: HttpCall, bounds: HttpBounds): Promise<HttpAnswer | HttpFailure> {
  const { url, lookup } = permit(call.url, bounds.allowHosts, bounds.resolve);
  const late = AbortSignal.timeout(bounds.timeoutMs);
  const signal = AbortSignal.any([bounds.signal, late]);
  const state = { sent: false };
  try {
    const options: RequestOptions = {
      method: call.method,
      headers: headersOf(call),
      lookup,
      signal,
      agent: false,
    };
    const response = await send(url, { options, body: call.body }, state);
    return await answerOf(response, bounds.bodyBytes);
  } catch (error) {
    bounds.signal.throwIfAborted();
    if (AppError.is(error)) throw error;
    const why = late.aborted ? `it did not answer within ${bounds.timeoutMs} ms` : reasonOf(error);
    return new HttpFailure(`${url.host} could not be read: ${why}`, state.sent);
  }
}

function headersOf({ headers, body }: HttpCall): Record<string, string> {
  const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) };
  // What is packed could be a thousand times as large as what arrives.
  return { ...headers, ...length, 'accept-encoding': 'identity', 'user-agent': 'ensemble' };
}

function send(
  url: URL,
  { options, body }: { readonly options: RequestOptions; readonly body: string | undefined },
  state: { sent: boolean },
): Promise<IncomingMessage> {
  return new Promise((answered, failed) => {
    const request = (url.protocol === 'https:' ? tlsRequest : plainRequest)(url, options, answered);
    request.on('error', failed);
    request.on('socket', (socket) => {
      // Until there is a connection, nothing can have reached the server.
      socket.once(url.protocol === 'https:' ? 'secureConnect' : 'connect', () => (state.sent = true));
    });
    request.end(body);
  });
}

async function answerOf(response: IncomingMessage, most: number): Promise<HttpAnswer> {
  const packed = response.headers['content-encoding'] ?? 'identity';
  const chunks: Buffer[] = [];
  let bytes = 0;
  if (packed === 'identity') {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      bytes += chunk.byteLength;
      if (bytes > most) break;
    }
  }
  response.destroy();
  return {
    status: response.statusCode ?? 0,
    mediaType: (response.headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '',
    location: response.headers.location,
    body: Buffer.concat(chunks).subarray(0, most),
    cut: bytes > most || packed !== 'identity',
  };
}

/** A code such as ECONNREFUSED: an error's text may hold addresses. */
function reasonOf(error: unknown): string {
  const code = typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : '';
  return /^\w+$/.test(code) ? code : 'the connection broke';
}

/** An answer as a model reads it. Bodies that are not text are named, not shown. */
export function readableAnswer({ status, mediaType, location, body, cut }: HttpAnswer): JsonObject {
  const text = isText(mediaType) ? new TextDecoder().decode(body) : undefined;
  return {
    status,
    mediaType,
    ...(location === undefined
      ? {}
      : { location, note: 'a redirect, not followed; call the location itself' }),
    ...(text === undefined
      ? { body: null, note: `a body of ${mediaType || 'no media type'} is not text and is left out` }
      : { body: text }),
    ...(cut ? { cut: true } : {}),
  };
}

function isText(mediaType: string): boolean {
  return (
    mediaType === '' ||
    /^text\/|[/+](?:json|xml|javascript|yaml|x-ndjson)$|\/x-www-form-urlencoded$/.test(mediaType)
  );
}
