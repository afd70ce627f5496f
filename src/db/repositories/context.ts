import { and, asc, eq, sql } from 'drizzle-orm';
import { alias } from 'drizzle-orm/pg-core';
import type { Pool } from 'pg';
import { z } from 'zod';
import type { ContextChange, ContextWrite, ImmediateWrite } from '../../protocol/context';
import { AppError } from '../../protocol/failures';
import type { Value } from '../../protocol/json';
import { parseStored, StoredWrite } from '../answers';
import { AppendContextAnswer, StoredImmediateWrite } from '../answers-ledger';
import { contextWrites } from '../schema/ledger';
import { agentRuns } from '../schema/runs';
import { callQuietly, withTenant } from '../tenant-door';
import type { AttemptKey, Holder } from './agent-runs';

export interface NewContextWrites extends AttemptKey {
  /** Numbered from 1, without a gap, over all attempts: the same number sent again changes nothing. */
  readonly writes: readonly { readonly number: number; readonly write: ImmediateWrite }[];
}

/** A change as it is stored: large values by reference, null of a deletion. */
export interface StoredChange extends Omit<ContextChange, 'value'> {
  readonly value: Value | null;
}

export interface HistoryPage {
  readonly key: string;
  /** Only later versions. */
  readonly after: number;
  readonly limit: number;
}

/** What an execution of an agent wrote to the agent's own keys. */
export interface PrivateWrite extends Pick<StoredChange, 'author' | 'cause' | 'at'> {
  readonly write: ContextWrite;
}

/** Writes to shared contexts that leave at once, what agents keep to themselves, and what happened to a key. */
export function createContext(pool: Pool) {
  return {
    /** `fenced`: the attempt lost the agent run; nothing was written. */
    async writeDown(tenantId: string, writes: NewContextWrites): Promise<'appended' | 'already' | 'fenced'> {
      const answer = await callQuietly(pool, 'append_context_writes', { tenantId, body: writes });
      return parseStored(AppendContextAnswer, answer).outcome;
    },

    /** Of all attempts of the holder's agent run, in order. Throws ATTEMPT_FENCED. */
    written: (tenantId: string, holder: Holder) => written(pool, tenantId, holder),

    /** By all completed executions of the holder's agent in its run, in the order of their ends. Throws ATTEMPT_FENCED. */
    privateWrites: (tenantId: string, holder: Holder) => privateWrites(pool, tenantId, holder),

    /** What the story of the run tells of a key, by version. */
    history: (tenantId: string, runId: string, page: HistoryPage) =>
      history(pool, { tenantId, runId, ...page }),
  };
}

const agentRun = alias(agentRuns, 'holder');

function holds({ agentRunId, tokenHash }: Holder) {
  return and(eq(agentRun.id, agentRunId), eq(agentRun.tokenHash, tokenHash), eq(agentRun.status, 'running'));
}

function fenced(): AppError {
  return new AppError('ATTEMPT_FENCED', 'A later attempt took over; this one may read nothing');
}

async function written(pool: Pool, tenantId: string, holder: Holder) {
  const rows = await withTenant(pool, tenantId, (tx) =>
    tx
      .select({ number: contextWrites.number, write: contextWrites.write })
      .from(agentRun)
      .leftJoin(contextWrites, eq(contextWrites.agentRunId, agentRun.id))
      .where(holds(holder))
      .orderBy(asc(contextWrites.number)),
  );
  if (rows.length === 0) throw fenced();
  return rows.flatMap(({ number, write }) =>
    number === null ? [] : [{ number, write: parseStored(StoredImmediateWrite, write) }],
  );
}

async function privateWrites(pool: Pool, tenantId: string, holder: Holder): Promise<PrivateWrite[]> {
  const sameAgent = and(
    eq(agentRuns.runId, agentRun.runId),
    eq(agentRuns.agent, agentRun.agent),
    sql`${agentRuns.result} -> 'effects' ? 'private'`,
  );
  const rows = await withTenant(pool, tenantId, (tx) =>
    tx
      .select({
        agent: agentRun.agent,
        address: agentRuns.address,
        endedAt: agentRuns.endedAt,
        writes: sql<unknown>`${agentRuns.result} -> 'effects' -> 'private'`,
      })
      .from(agentRun)
      .leftJoin(agentRuns, sameAgent)
      .where(holds(holder))
      .orderBy(asc(agentRuns.endedAt), asc(agentRuns.id)),
  );
  if (rows.length === 0) throw fenced();
  return rows.flatMap(({ agent, address, endedAt, writes }) => {
    if (address === null || endedAt === null) return [];
    const cause = { address, at: 'completion' } as const;
    const at = endedAt.toISOString();
    return parseStored(z.array(StoredWrite), writes).map((write) => ({ write, author: agent, cause, at }));
  });
}

const StoredHistory = z.array(
  z.object({
    version: z.number(),
    write: StoredImmediateWrite,
    author: z.string(),
    address: z.string(),
    once: z.boolean(),
    at: z.string(),
  }),
);

interface HistoryQuery extends HistoryPage {
  readonly tenantId: string;
  readonly runId: string;
}

/** An event tells the versions; the writes are in the agent runs' results, and in the table of those that left at once. */
async function history(
  pool: Pool,
  { tenantId, runId, key, after, limit }: HistoryQuery,
): Promise<StoredChange[]> {
  const { rows } = await withTenant(pool, tenantId, (tx) =>
    tx.execute(sql`
      with told as (
        select event.seq, event.address, event.agent, event.data, event.created_at, agent_run.id, agent_run.result
          from ensemble.run_events event
          join ensemble.agent_runs agent_run
            on agent_run.tenant_id = event.tenant_id and agent_run.run_id = event.run_id
           and agent_run.address = event.address
         where event.tenant_id = ${tenantId} and event.run_id = ${runId} and event.type = 'context.changed'
      ), changes as (
        select (told.data -> 'versions' ->> (entry.position - 1)::integer)::integer as version, entry.write,
               told.agent, told.address, false as once, told.created_at
          from told, jsonb_array_elements(told.result -> 'effects' -> 'context')
                     with ordinality as entry (write, position)
         where not told.data ? 'from' and entry.write ->> 'key' = ${key}
        union all
        select (told.data -> 'versions' ->> (made.number - (told.data ->> 'from')::integer))::integer, made.write,
               told.agent, told.address, true, made.created_at
          from told
          join ensemble.context_writes made
            on made.tenant_id = ${tenantId} and made.agent_run_id = told.id
           and made.number >= (told.data ->> 'from')::integer
           and made.number < (told.data ->> 'from')::integer + (told.data ->> 'count')::integer
         where told.data ? 'from' and made.write ->> 'key' = ${key}
      )
      select version, write, agent as author, address, once,
             to_char(created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as at
        from changes where version > ${after} order by version limit ${limit}`),
  );
  return parseStored(StoredHistory, rows).map(({ version, write, author, address, once, at }) => ({
    key,
    version,
    op: write.op,
    value: 'value' in write ? write.value : null,
    author,
    cause: { address, at: once ? 'once' : 'completion' },
    at,
  }));
}
