import type { Context, Hono } from 'hono';
import type { EnsembleClient } from '../client/ensemble-client';
import type { AgentDefinitionInput } from '../protocol/agent-definition';
import { AppError } from '../protocol/failures';
import type { PlanShorthand, Step } from '../protocol/plan';

/** Agents as data, and plans under names. */
export function storedRoutes(app: Hono, { agents, plans }: EnsembleClient): void {
  app.post('/v1/agents', async (c) => {
    const saved = await agents.define((await bodyOf(c)) as AgentDefinitionInput);
    return c.json(saved, saved.created ? 201 : 200);
  });
  app.get('/v1/agents', async (c) => c.json({ agents: await agents.list() }));
  app.get('/v1/agents/:name', async (c) => c.json(await agents.get(c.req.param('name'), versionOf(c))));
  app.delete('/v1/agents/:name', async (c) => {
    await agents.retire(c.req.param('name'));
    return c.body(null, 204);
  });
  app.put('/v1/plans/:name', async (c) => {
    const saved = await plans.save(c.req.param('name'), (await bodyOf(c)) as PlanShorthand | Step);
    return c.json(saved, saved.created ? 201 : 200);
  });
  app.get('/v1/plans', async (c) => c.json({ plans: await plans.list() }));
  app.get('/v1/plans/:name', async (c) => c.json(await plans.get(c.req.param('name'), versionOf(c))));
}

function bodyOf(c: Context): Promise<unknown> {
  return c.req.json<unknown>().catch(() => {
    throw new AppError('INPUT_INVALID', 'The body is not JSON');
  });
}

function versionOf(c: Context): number | undefined {
  const text = c.req.query('version');
  if (text === undefined) return undefined;
  if (/^[1-9]\d{0,9}$/.test(text)) return Number(text);
  throw new AppError(
    'INPUT_INVALID',
    `"${text.slice(0, 40)}" is no version; give a whole number from 1, or none`,
  );
}
