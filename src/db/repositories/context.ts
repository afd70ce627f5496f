import { and, asc, eq, gt, sql } from 'drizzle-orm';
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

    /** Of all attempts of the holder's agent run, in order, after so many. Throws ATTEMPT_FENCED. */
    written: (tenantId: string, holder: Holder, after = 0) => written(pool, tenantId, { ...holder, after }),

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

async function written(pool: Pool, tenantId: string, holder: Holder & { readonly after: number }) {
  const rows = await withTenant(pool, tenantId, (tx) =>
    tx
      .select({ number: contextWrites.number, write: contextWrites.write })
      .from(agentRun)
      .leftJoin(
        contextWrites,
        and(eq(contextWrites.agentRunId, agentRun.id), gt(contextWrites.number, holder.after)),
      )
      .where(holds(holder))
      .orderBy(asc(contextWrites.number)),
  );
  if (rows.length === 0) throw fenced();
  return rows.flatMap(({ number, write }) =>
    number === null ? [] : [{ number, write: parseStored(StoredImmediateWrite, write) }],
  );
}

async function privateWrites(pool: Pool, tenantId: string, holder: Holder): Promise<PrivateWrite[]> {
  const { rows } = await withTenant(pool, tenantId, (tx) =>
    tx.execute(sql`
      with holder as (
        select run_id, agent from ensemble.agent_runs
         where tenant_id = ${tenantId} and id = ${holder.agentRunId} and token_hash = ${holder.tokenHash}
           and status = 'running'
      ), ended as (
        select agent_run.id, agent_run.address, turns.rest -> 'effects' -> 'private' as writes, turns.ended_at
          from holder join ensemble.agent_runs agent_run using (run_id, agent)
          join ensemble.agent_run_turns turns
            on turns.tenant_id = agent_run.tenant_id and turns.agent_run_id = agent_run.id
         where agent_run.tenant_id = ${tenantId}
        union all
        select agent_run.id, agent_run.address, agent_run.result -> 'effects' -> 'private', agent_run.ended_at
          from holder join ensemble.agent_runs agent_run using (run_id, agent)
         where agent_run.tenant_id = ${tenantId} and agent_run.result is not null
      )
      select holder.agent as author, ended.address, ended.writes,
             to_char(ended.ended_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as at
        from holder left join ended on ended.writes is not null
       order by ended.ended_at, ended.id`),
  );
  if (rows.length === 0) throw fenced();
  return parseStored(StoredPrivate, rows).flatMap(({ author, address, writes, at }) => {
    if (address === null || at === null) return [];
    const cause = { address, at: 'completion' } as const;
    return (writes ?? []).map((write) => ({ write, author, cause, at }));
  });
}

/** What turns and results kept to themselves; a row of nulls where the holder's agent has left nothing. */
const StoredPrivate = z.array(
  z.object({
    author: z.string(),
    address: z.string().nullable(),
    writes: z.array(StoredWrite).nullable(),
    at: z.string().nullable(),
  }),
);

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
        select event.seq, event.address, event.agent, event.data, event.created_at, agent_run.id,
               case when event.data ? 'turn' then turns.rest else agent_run.result end as result
          from ensemble.run_events event
          join ensemble.agent_runs agent_run
            on agent_run.tenant_id = event.tenant_id and agent_run.run_id = event.run_id
           and agent_run.address = event.address
          left join ensemble.agent_run_turns turns
            on turns.tenant_id = event.tenant_id and turns.agent_run_id = agent_run.id
           and turns.turn = (event.data ->> 'turn')::integer
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
