import { createHash, timingSafeEqual } from 'node:crypto';
import { Hono, type MiddlewareHandler } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { streamSSE } from 'hono/streaming';
import type { EnsembleClient } from '../client/ensemble-client';
import { AppError } from '../protocol/failures';
import type { RunRequestInput } from '../protocol/run';
import type { Logger } from '../telemetry/log';
import { cursorOf } from './cursor';
import { ledgerRoutes } from './ledger-routes';
import { messageRoutes } from './messages';
import { problem } from './problem';
import { storedRoutes } from './stored-routes';

export interface AppOptions {
  readonly client: EnsembleClient;
  readonly log: Logger;
  /** Resolves when PostgreSQL and Temporal answer, rejects otherwise. */
  readonly ready: () => Promise<void>;
  /** Demanded as bearer token under /v1 where it is set. */
  readonly token?: string;
}

const BODY_BYTES = 1024 * 1024;

/** The HTTP door: health, and runs, agents and plans under /v1. */
export function createApp({ client, log, ready, token }: AppOptions): Hono {
  const app = new Hono();
  app.onError((error, c) => {
    if (!AppError.is(error)) log.error({ err: error }, 'a request failed');
    return problem(c, error);
  });
  app.notFound((c) => problem(c, new AppError('RUN_UNKNOWN', `There is nothing at ${c.req.path}`)));
  app.get('/healthz', (c) => c.json({ status: 'ok' }));
  app.get('/readyz', async (c) => {
    await ready();
    return c.json({ status: 'ready' });
  });
  if (token !== undefined) app.use('/v1/*', bearer(token));
  const onError = (): never => {
    throw new AppError(
      'INPUT_TOO_LARGE',
      `The body has more than ${BODY_BYTES} bytes; upload large parts instead`,
    );
  };
  app.use('/v1/*', bodyLimit({ maxSize: BODY_BYTES, onError }));
  runRoutes(app, client);
  messageRoutes(app, client);
  ledgerRoutes(app, client);
  storedRoutes(app, client);
  return app;
}

function runRoutes(app: Hono, client: EnsembleClient): void {
  app.post('/v1/runs', async (c) => {
    const body = await c.req.json<object>().catch(() => {
      throw new AppError('INPUT_INVALID', 'The body is not JSON');
    });
    const idempotencyKey = c.req.header('Idempotency-Key');
    const request = { ...body, ...(idempotencyKey === undefined ? {} : { idempotencyKey }) };
    const started = await client.start(request as RunRequestInput);
    return c.json(started, started.created ? 201 : 200);
  });
  app.get('/v1/runs', async (c) => c.json({ runs: await client.list() }));
  app.get('/v1/runs/:id', async (c) => c.json(await client.describe(c.req.param('id'))));
  app.post('/v1/runs/:id/cancel', async (c) => {
    await client.cancel(c.req.param('id'));
    return c.json({ status: 'cancelling' }, 202);
  });
  app.get('/v1/runs/:id/events', async (c) => {
    const runId = c.req.param('id');
    await client.describe(runId);
    const after = cursorOf(c.req.header('Last-Event-ID') ?? c.req.query('after') ?? '0');
    return streamSSE(c, async (stream) => {
      const gone = new AbortController();
      stream.onAbort(() => gone.abort());
      for await (const event of client.events(runId, { after, signal: gone.signal }))
        await stream.writeSSE({ id: String(event.seq), event: event.type, data: JSON.stringify(event) });
    });
  });
}

function bearer(token: string): MiddlewareHandler {
  const expected = digest(`Bearer ${token}`);
  return async (c, next) => {
    // Digests have one length, so the comparison tells nothing about the token's.
    if (!timingSafeEqual(digest(c.req.header('Authorization') ?? ''), expected))
      throw new AppError(
        'UNAUTHENTICATED',
        'Give the token of ENSEMBLE_HTTP_TOKEN as `Authorization: Bearer ...`',
      );
    await next();
  };
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
