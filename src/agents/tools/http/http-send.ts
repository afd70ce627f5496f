import { z } from 'zod';
import { AppError } from '../../../protocol/failures';
import { defineTool, type Tool } from '../tool';
import { callHttp, type HttpCall, HttpFailure, readableAnswer } from './call';
import { resolveBySystem, type Resolve } from './guard';
import { toldForbidden } from './http-fetch';

const TIMEOUT_MS = 30_000;
const BODY_BYTES = 64 * 1024;

const Arguments = z.strictObject({
  url: z.string().min(1).describe('Whole URL with http: or https:'),
  method: z.enum(['POST', 'PUT', 'PATCH', 'DELETE']),
  json: z.unknown().optional().describe('What to send, as JSON'),
});

/** Changes something at a service. A call whose outcome is lost is never made again by itself. */
export const httpSend = httpSendWith(resolveBySystem, 'dangerous');

/** For services that honour `Idempotency-Key`: a call whose outcome is lost is made again with the same key. */
export const httpSendIdempotent = httpSendWith(resolveBySystem, 'idempotent');

/** The same over another resolver. */
export function httpSendWith(resolve: Resolve, sideEffects: 'dangerous' | 'idempotent'): Tool {
  const idempotent = sideEffects === 'idempotent';
  return defineTool({
    name: idempotent ? 'http-send-idempotent' : 'http-send',
    description: `Sends JSON to a service by POST, PUT, PATCH or DELETE${idempotent ? ', with an idempotency key' : ''}: it changes something there`,
    arguments: Arguments,
    sideEffects,
    timeoutMs: TIMEOUT_MS * 2,
    async run({ url, method, json }, { context, signal, idempotencyKey }) {
      const call: HttpCall = {
        url,
        method,
        headers: {
          accept: 'application/json, text/*',
          ...(json === undefined ? {} : { 'content-type': 'application/json' }),
          ...(idempotent ? { 'idempotency-key': idempotencyKey } : {}),
        },
        ...(json === undefined ? {} : { body: JSON.stringify(json) }),
      };
      const { allowHosts } = context.host;
      const bounds = { signal, allowHosts, resolve, timeoutMs: TIMEOUT_MS, bodyBytes: BODY_BYTES };
      const answer = await toldForbidden(() => callHttp(call, bounds));
      if (!(answer instanceof HttpFailure)) return readableAnswer(answer);
      // Not an outcome where the service may have acted: the ledger keeps the call open, and its kind says what comes next.
      throw new AppError(answer.sent ? 'AGENT_FAILED' : 'TOOL_FAILED', answer.message);
    },
  });
}
