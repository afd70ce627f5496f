import { AppError } from '../protocol/failures';

/** Bounds of what one answer may weigh; more is not an answer but a runaway model or a broken server. */
export const ANSWER_LIMITS = {
  /** A whole answer in one body. */
  bodyBytes: 8 * 1024 * 1024,
  /** A streamed answer as it travels: every few characters come in an envelope of some hundred bytes. */
  streamBytes: 128 * 1024 * 1024,
  /** The text, reasoning and tool arguments gathered from a stream. */
  streamChars: 4 * 1024 * 1024,
} as const;

/** Why a call was ended from our side. */
export type StopReason = 'aborted' | 'timeout' | 'silent' | 'too-large';

/** The bounds of one call, all known. */
export interface CallBounds {
  readonly signal: AbortSignal | undefined;
  readonly timeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly streaming: boolean;
}

/**
 * One HTTP call under its bounds. The SDKs bound only the time to the response headers; this bounds the whole answer,
 * the silence within it and its size, and remembers which bound ended the call.
 */
export class Call {
  readonly #controller = new AbortController();
  readonly #deadline: NodeJS.Timeout;
  readonly #onAbort = (): void => this.stop('aborted');
  #silence: NodeJS.Timeout | undefined;
  #rejectWait: ((error: Error) => void) | undefined;
  /** Set once a bound, or the caller, ended this call. */
  stopped: StopReason | undefined;
  /** Whether response headers came: what breaks after that is a cut answer, not an unreachable server. */
  answered = false;
  contentType = '';

  constructor(
    readonly bounds: CallBounds,
    private readonly send: typeof fetch,
  ) {
    this.#deadline = setTimeout(() => this.stop('timeout'), bounds.timeoutMs);
    bounds.signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** The `fetch` to give to an SDK: follows no redirect, and counts what arrives. */
  readonly fetch: typeof fetch = async (url, init) => {
    // A followed redirect would carry the prompt, and any key in a header of its own, to another host.
    this.answered = false;
    const response = await this.send(url, { ...init, redirect: 'manual' });
    this.answered = true;
    this.contentType = response.headers.get('content-type') ?? '';
    if (response.body === null) return response;
    const { status, statusText, headers } = response;
    return new Response(this.#counted(response.body), { status, statusText, headers });
  };

  /** Waits for `work` no longer than this call lasts, even where an injected fetch ignores its signal. */
  async until<T>(work: Promise<T>): Promise<T> {
    const stopping = new Promise<never>((_, reject) => {
      this.#rejectWait = reject;
      if (this.stopped !== undefined) reject(ended(this.stopped));
    });
    try {
      return await Promise.race([work, stopping]);
    } finally {
      this.#rejectWait = undefined;
    }
  }

  /** Iterates a stream under the bound of silence, which runs only while we wait, not while our reader works. */
  async *each<T>(stream: AsyncIterable<T>): AsyncGenerator<T, void, undefined> {
    const iterator = stream[Symbol.asyncIterator]();
    for (;;) {
      this.#armSilence();
      const next = await this.until(iterator.next());
      clearTimeout(this.#silence);
      this.#silence = undefined;
      if (next.done === true) return;
      yield next.value;
    }
  }

  stop(reason: StopReason): void {
    if (this.stopped !== undefined) return;
    this.stopped = reason;
    this.#rejectWait?.(ended(reason));
    this.#controller.abort();
  }

  /** Ends the bounds, and the connection where the answer was not read to its end. */
  close(): void {
    clearTimeout(this.#deadline);
    clearTimeout(this.#silence);
    this.bounds.signal?.removeEventListener('abort', this.#onAbort);
    this.#controller.abort();
  }

  #armSilence(): void {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.stop('silent'), this.bounds.idleTimeoutMs);
  }

  #counted(body: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
    const most = this.bounds.streaming ? ANSWER_LIMITS.streamBytes : ANSWER_LIMITS.bodyBytes;
    let bytes = 0;
    return body.pipeThrough(
      new TransformStream<Uint8Array, Uint8Array>({
        transform: (chunk, controller) => {
          bytes += chunk.byteLength;
          if (bytes > most) this.stop('too-large');
          else controller.enqueue(chunk);
          // Any byte is a sign of life, the pings that the SDKs hide included.
          if (this.#silence !== undefined) this.#armSilence();
        },
      }),
    );
  }
}

/** Ends a wait; what the caller sees is made of `stopped`, by its bounds. */
function ended(reason: StopReason): AppError {
  return new AppError('INTERNAL', `the call was ended: ${reason}`);
}
