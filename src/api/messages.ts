import type { Context, Hono } from 'hono';
import type { EnsembleClient } from '../client/ensemble-client';
import type { OutsideMessage } from '../client/messages';
import { AppError } from '../protocol/failures';
import type { BusSettings, HistoryOptions } from '../protocol/message';

const FILTERS = ['from', 'to', 'type', 'topic', 'correlationId'] as const;

/** What members and clients say to each other in a run, and what became of it. */
export function messageRoutes(app: Hono, { messages }: EnsembleClient): void {
  app.post('/v1/runs/:id/messages', async (c) => {
    const key = c.req.header('Idempotency-Key');
    const message = await bodyOf<OutsideMessage>(c);
    return c.json(
      await messages.send(c.req.param('id'), key === undefined ? message : { ...message, key }),
      201,
    );
  });
  app.get('/v1/runs/:id/messages', async (c) =>
    c.json({ messages: await messages.history(c.req.param('id'), { ...pageOf(c), ...filterOf(c) }) }),
  );
  app.get('/v1/runs/:id/messages/counts', async (c) => c.json(await messages.counts(c.req.param('id'))));
  app.put('/v1/runs/:id/messages/settings', async (c) => {
    await messages.configure(c.req.param('id'), await bodyOf<BusSettings>(c));
    return c.body(null, 204);
  });
  app.get('/v1/runs/:id/messages/:seq/receipts', async (c) =>
    c.json({ receipts: await messages.receipts(c.req.param('id'), whole(c.req.param('seq'), 'seq')) }),
  );
  app.get('/v1/runs/:id/dead-letters', async (c) =>
    c.json({ deadLetters: await messages.deadLetters(c.req.param('id'), pageOf(c)) }),
  );
  app.post('/v1/runs/:id/dead-letters/redrive', async (c) => {
    const { nos, to } = await bodyOf<{ nos?: number[]; to?: string }>(c);
    if (!Array.isArray(nos))
      throw new AppError('INPUT_INVALID', 'nos must be a list of dead letters’ numbers');
    return c.json({ redriven: await messages.redrive(c.req.param('id'), nos, to) });
  });
  app.delete('/v1/runs/:id/dead-letters', async (c) => {
    const nos = c.req
      .query('nos')
      ?.split(',')
      .map((no) => whole(no, 'nos'));
    return c.json({ purged: await messages.purge(c.req.param('id'), nos) });
  });
}

async function bodyOf<T extends object>(c: Context): Promise<T> {
  const body: unknown = await c.req.json<unknown>().catch(() => undefined);
  if (typeof body === 'object' && body !== null && !Array.isArray(body)) return body as T;
  throw new AppError('INPUT_INVALID', 'The body is not a JSON object');
}

function pageOf(c: Context): { readonly after?: number; readonly limit?: number } {
  const [after, limit] = [c.req.query('after'), c.req.query('limit')];
  return {
    ...(after === undefined ? {} : { after: whole(after, 'after') }),
    ...(limit === undefined ? {} : { limit: whole(limit, 'limit') }),
  };
}

function filterOf(c: Context): HistoryOptions {
  return Object.fromEntries(
    FILTERS.flatMap((name) => {
      const value = c.req.query(name);
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

function whole(text: string, name: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new AppError('INPUT_INVALID', `${name} must be a whole number from 0`);
}
