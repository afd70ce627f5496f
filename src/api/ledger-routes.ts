import type { Hono } from 'hono';
import { streamSSE } from 'hono/streaming';
import type { EnsembleClient } from '../client/ensemble-client';
import { AppError } from '../protocol/failures';
import type { ToolCallResolution } from '../protocol/tool-call';
import { cursorOf } from './cursor';

/** What a run's models say and cost, what its tools did, and what happened to the context that its agents share. */
export function ledgerRoutes(app: Hono, client: EnsembleClient): void {
  app.get('/v1/runs/:id/tokens', async (c) => {
    const runId = c.req.param('id');
    const after = cursorOf(c.req.header('Last-Event-ID') ?? c.req.query('after') ?? '0');
    await client.describe(runId);
    return streamSSE(c, async (stream) => {
      const gone = new AbortController();
      stream.onAbort(() => gone.abort());
      for await (const chunk of client.tokens(runId, { after, signal: gone.signal }))
        await stream.writeSSE({ id: String(chunk.seq), event: chunk.kind, data: JSON.stringify(chunk) });
    });
  });
  app.get('/v1/runs/:id/context-history', async (c) => {
    const after = cursorOf(c.req.query('after') ?? '0');
    const key = c.req.query('key');
    if (key === undefined)
      throw new AppError('INPUT_INVALID', 'Name a key of the context: context-history?key=...');
    return c.json({ changes: await client.contextHistory(c.req.param('id'), key, { after }) });
  });
  app.get('/v1/runs/:id/model-calls', async (c) =>
    c.json({ modelCalls: await client.modelCalls(c.req.param('id')) }),
  );
  app.get('/v1/runs/:id/tool-calls', async (c) =>
    c.json({ toolCalls: await client.toolCalls(c.req.param('id')) }),
  );
  app.post('/v1/runs/:id/tool-calls/:key/resolve', async (c) => {
    const body = await c.req.json<unknown>().catch(() => {
      throw new AppError('INPUT_INVALID', 'The body is not JSON');
    });
    if (typeof body !== 'object' || body === null || Array.isArray(body))
      throw new AppError(
        'INPUT_INVALID',
        'The body must be {"by": ..., "result": ...} or {"by": ..., "failed": ...}',
      );
    const { by, ...resolution } = body as { readonly by: string };
    await client.resolveToolCall(
      c.req.param('id'),
      c.req.param('key'),
      resolution as unknown as ToolCallResolution,
      by,
    );
    return c.json({ status: 'resolved' });
  });
}
