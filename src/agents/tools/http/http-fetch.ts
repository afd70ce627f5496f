import { z } from 'zod';
import { AppError } from '../../../protocol/failures';
import { defineTool, type Tool } from '../tool';
import { callHttp, HttpFailure, readableAnswer } from './call';
import { resolveBySystem, type Resolve } from './guard';

const TIMEOUT_MS = 20_000;
const BODY_BYTES = 256 * 1024;
const SHOWN_CHARS = 32_000;

/** Reads the web, or the hosts that the operator allows. */
export const httpFetch = httpFetchWith(resolveBySystem);

/** The same over another resolver. */
export function httpFetchWith(resolve: Resolve): Tool {
  return defineTool({
    name: 'http-fetch',
    description:
      'Fetches a URL by GET or HEAD: status, media type and text of the answer; redirects are not followed',
    arguments: z.strictObject({
      url: z.string().min(1).describe('Whole URL with http: or https:'),
      method: z.enum(['GET', 'HEAD']).default('GET'),
      accept: z
        .string()
        .max(200)
        .regex(/^[\x20-\x7e]*$/)
        .default('*/*')
        .describe('Wanted media types'),
    }),
    timeoutMs: TIMEOUT_MS * 2,
    shownChars: SHOWN_CHARS,
    async run({ url, method, accept }, { context, signal }) {
      const call = { url, method, headers: { accept } };
      const { allowHosts } = context.host;
      const bounds = { signal, allowHosts, resolve, timeoutMs: TIMEOUT_MS, bodyBytes: BODY_BYTES };
      const answer = await toldForbidden(() => callHttp(call, bounds));
      if (answer instanceof HttpFailure) throw new AppError('TOOL_FAILED', answer.message);
      return readableAnswer(answer);
    },
  });
}

/** The guard's refusal as an outcome that the model is told of, and may learn from. */
export async function toldForbidden<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (AppError.is(error) && error.code === 'TOOL_FORBIDDEN')
      throw new AppError('INPUT_INVALID', error.message);
    throw error;
  }
}
