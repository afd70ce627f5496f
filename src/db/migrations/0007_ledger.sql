CREATE TABLE "ensemble"."journal_entries" (
	"tenant_id" uuid NOT NULL,
	"agent_run_id" uuid NOT NULL,
	"seq" integer NOT NULL,
	"attempt" integer NOT NULL,
	"entry" jsonb NOT NULL,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "journal_entries_tenant_id_agent_run_id_seq_pk" PRIMARY KEY("tenant_id","agent_run_id","seq"),
	CONSTRAINT "journal_entries_seq" CHECK ("ensemble"."journal_entries"."seq" > 0)
);
--> statement-breakpoint
ALTER TABLE "ensemble"."journal_entries" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE TABLE "ensemble"."model_calls" (
	"tenant_id" uuid NOT NULL,
	"id" uuid NOT NULL,
	"run_id" uuid NOT NULL,
	"agent_run_id" uuid NOT NULL,
	"attempt" integer NOT NULL,
	"provider" text NOT NULL,
	"model" text NOT NULL,
	"input_tokens" bigint,
	"output_tokens" bigint,
	"cached_input_tokens" bigint,
	"reasoning_tokens" bigint,
	"first_token_ms" integer,
	"duration_ms" integer NOT NULL,
	"cost_micros" bigint,
	"prices_of" text,
	"failure" jsonb,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "model_calls_tenant_id_id_pk" PRIMARY KEY("tenant_id","id")
);
--> statement-breakpoint
ALTER TABLE "ensemble"."model_calls" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE TABLE "ensemble"."tool_calls" (
	"tenant_id" uuid NOT NULL,
	"run_id" uuid NOT NULL,
	"key" text NOT NULL,
	"agent_run_id" uuid NOT NULL,
	"step" text NOT NULL,
	"tool" text NOT NULL,
	"side_effects" text NOT NULL,
	"arguments" jsonb NOT NULL,
	"attempt" integer NOT NULL,
	"result" jsonb,
	"failure" jsonb,
	"resolved_by" text,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"unknown_at" timestamp with time zone,
	"ended_at" timestamp with time zone,
	CONSTRAINT "tool_calls_tenant_id_run_id_key_pk" PRIMARY KEY("tenant_id","run_id","key"),
	CONSTRAINT "tool_calls_key" CHECK ("ensemble"."tool_calls"."key" ~ '^[0-9a-f]{64}$'),
	CONSTRAINT "tool_calls_side_effects" CHECK ("ensemble"."tool_calls"."side_effects" in ('none', 'idempotent', 'dangerous')),
	CONSTRAINT "tool_calls_ended" CHECK (num_nonnulls("ensemble"."tool_calls"."result", "ensemble"."tool_calls"."failure") = num_nonnulls("ensemble"."tool_calls"."ended_at"))
);
--> statement-breakpoint
ALTER TABLE "ensemble"."tool_calls" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE UNLOGGED TABLE "ensemble"."token_chunks" (
	"tenant_id" uuid NOT NULL,
	"run_id" uuid NOT NULL,
	"seq" bigint NOT NULL,
	"agent_run_id" uuid NOT NULL,
	"attempt" integer NOT NULL,
	"ordinal" integer NOT NULL,
	"call" integer NOT NULL,
	"kind" text NOT NULL,
	"text" text NOT NULL,
	"tool" jsonb,
	CONSTRAINT "token_chunks_tenant_id_run_id_seq_pk" PRIMARY KEY("tenant_id","run_id","seq"),
	CONSTRAINT "token_chunks_ordinal" UNIQUE("tenant_id","agent_run_id","attempt","ordinal"),
	CONSTRAINT "token_chunks_kind" CHECK ("ensemble"."token_chunks"."kind" in ('text', 'reasoning', 'tool-call', 'reset', 'end'))
);
--> statement-breakpoint
ALTER TABLE "ensemble"."token_chunks" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE UNLOGGED TABLE "ensemble"."token_streams" (
	"tenant_id" uuid NOT NULL,
	"run_id" uuid NOT NULL,
	"last_seq" bigint NOT NULL,
	"updated_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "token_streams_tenant_id_run_id_pk" PRIMARY KEY("tenant_id","run_id")
);
--> statement-breakpoint
ALTER TABLE "ensemble"."token_streams" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
ALTER TABLE "ensemble"."journal_entries" ADD CONSTRAINT "journal_entries_agent_run" FOREIGN KEY ("tenant_id","agent_run_id") REFERENCES "ensemble"."agent_runs"("tenant_id","id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "ensemble"."model_calls" ADD CONSTRAINT "model_calls_agent_run" FOREIGN KEY ("tenant_id","agent_run_id") REFERENCES "ensemble"."agent_runs"("tenant_id","id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "ensemble"."tool_calls" ADD CONSTRAINT "tool_calls_agent_run" FOREIGN KEY ("tenant_id","agent_run_id") REFERENCES "ensemble"."agent_runs"("tenant_id","id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "ensemble"."token_chunks" ADD CONSTRAINT "token_chunks_stream" FOREIGN KEY ("tenant_id","run_id") REFERENCES "ensemble"."token_streams"("tenant_id","run_id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "ensemble"."token_streams" ADD CONSTRAINT "token_streams_run" FOREIGN KEY ("tenant_id","run_id") REFERENCES "ensemble"."runs"("tenant_id","id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "model_calls_by_run" ON "ensemble"."model_calls" USING btree ("tenant_id","run_id","id");--> statement-breakpoint
CREATE INDEX "model_calls_by_agent_run" ON "ensemble"."model_calls" USING btree ("tenant_id","agent_run_id");--> statement-breakpoint
CREATE INDEX "tool_calls_by_agent_run" ON "ensemble"."tool_calls" USING btree ("tenant_id","agent_run_id");--> statement-breakpoint
CREATE INDEX "token_streams_idle" ON "ensemble"."token_streams" USING btree ("run_id","tenant_id");--> statement-breakpoint
CREATE POLICY "tenant" ON "ensemble"."journal_entries" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid) WITH CHECK (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid);--> statement-breakpoint
CREATE POLICY "tenant" ON "ensemble"."model_calls" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid) WITH CHECK (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid);--> statement-breakpoint
CREATE POLICY "tenant" ON "ensemble"."tool_calls" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid) WITH CHECK (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid);--> statement-breakpoint
CREATE POLICY "tenant" ON "ensemble"."token_chunks" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid) WITH CHECK (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid);--> statement-breakpoint
CREATE POLICY "tenant" ON "ensemble"."token_streams" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid) WITH CHECK (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid);--> statement-breakpoint
CREATE POLICY "idle" ON "ensemble"."token_streams" AS PERMISSIVE FOR SELECT TO "ensemble_app" USING ((nullif(current_setting('app.tenant', true), '')::uuid is null and current_setting('app.system', true) = 'expire-tokens'));--> statement-breakpoint

-- Before FORCE comes back: the migrating role owns the table, and no policy speaks of it.
alter table ensemble.system_jobs no force row level security;--> statement-breakpoint
insert into ensemble.system_jobs (purpose) values ('expire-tokens');--> statement-breakpoint
alter table ensemble.system_jobs force row level security;--> statement-breakpoint

alter table ensemble.tool_calls force row level security;--> statement-breakpoint
alter table ensemble.journal_entries force row level security;--> statement-breakpoint
alter table ensemble.model_calls force row level security;--> statement-breakpoint
alter table ensemble.token_streams force row level security;--> statement-breakpoint
alter table ensemble.token_chunks force row level security;--> statement-breakpoint

-- Journals and model calls are never changed. What was streamed goes with its stream, the only thing deleted.
grant select, insert, update on ensemble.tool_calls to ensemble_app;--> statement-breakpoint
grant select, insert on ensemble.journal_entries, ensemble.model_calls, ensemble.token_chunks
to ensemble_app;--> statement-breakpoint
grant select, insert, update, delete on ensemble.token_streams to ensemble_app;--> statement-breakpoint

-- Changed with every batch: room on the page keeps the changes out of the index.
alter table ensemble.token_streams set (fillfactor = 30);--> statement-breakpoint

-- Lock order: the agent run's row, then a tool call's, then the run's.

-- Whether an attempt holds its agent run, which stays so until the transaction is over: nothing can open or close
-- the row meanwhile. Calls of one attempt share the lock.
create function ensemble.holds_agent_run(p_tenant uuid, p jsonb) returns boolean
language plpgsql as $$
begin
  perform from ensemble.agent_runs
   where tenant_id = p_tenant and id = (p->>'agentRunId')::uuid and run_id = (p->>'runId')::uuid
     and attempt = (p->>'attempt')::integer and token_hash = p->>'tokenHash' and status = 'running'
     for share;
  return found;
end
$$;--> statement-breakpoint

create function ensemble.tool_call_answer(p_outcome text, p_call ensemble.tool_calls) returns jsonb
language plpgsql immutable as $$
begin
  return jsonb_build_object('outcome', p_outcome, 'result', p_call.result, 'failure', p_call.failure);
end
$$;--> statement-breakpoint

-- Writes down that a call is about to be made, unless it has no side effects or was written down before. Answers what
-- is known of it.
create function ensemble.begin_tool_call(p_tenant uuid, p jsonb) returns jsonb
language plpgsql as $$
declare
  v_call ensemble.tool_calls;
begin
  perform ensemble.enter_tenant(p_tenant);
  if not ensemble.holds_agent_run(p_tenant, p) then
    return jsonb_build_object('outcome', 'fenced');
  end if;
  if p->>'sideEffects' <> 'none' then
    insert into ensemble.tool_calls
      (tenant_id, run_id, key, agent_run_id, step, tool, side_effects, arguments, attempt)
    values
      (p_tenant, (p->>'runId')::uuid, p->>'key', (p->>'agentRunId')::uuid, p->>'step', p->>'tool',
       p->>'sideEffects', p->'arguments', (p->>'attempt')::integer)
    on conflict (tenant_id, run_id, key) do nothing;
    if found then
      return jsonb_build_object('outcome', 'begun');
    end if;
  end if;
  select * into v_call from ensemble.tool_calls
   where tenant_id = p_tenant and run_id = (p->>'runId')::uuid and key = p->>'key' for no key update;
  if not found then
    return jsonb_build_object('outcome', 'begun');
  elsif v_call.ended_at is not null then
    return ensemble.tool_call_answer('known', v_call);
  end if;
  update ensemble.tool_calls set attempt = (p->>'attempt')::integer
   where tenant_id = p_tenant and run_id = v_call.run_id and key = v_call.key;
  return jsonb_build_object('outcome', 'open', 'attempt', v_call.attempt);
end
$$;--> statement-breakpoint

-- Keeps what came of a call, once. One that an operator has resolved meanwhile stays as it was resolved.
create function ensemble.end_tool_call(p_tenant uuid, p jsonb) returns jsonb
language plpgsql as $$
declare
  v_call ensemble.tool_calls;
begin
  perform ensemble.enter_tenant(p_tenant);
  if not ensemble.holds_agent_run(p_tenant, p) then
    return jsonb_build_object('outcome', 'fenced');
  end if;
  insert into ensemble.tool_calls as known
    (tenant_id, run_id, key, agent_run_id, step, tool, side_effects, arguments, attempt, result, failure,
     ended_at)
  values
    (p_tenant, (p->>'runId')::uuid, p->>'key', (p->>'agentRunId')::uuid, p->>'step', p->>'tool',
     p->>'sideEffects', p->'arguments', (p->>'attempt')::integer, nullif(p->'result', 'null'),
     nullif(p->'failure', 'null'), clock_timestamp())
  on conflict (tenant_id, run_id, key) do update
     set result = excluded.result, failure = excluded.failure, ended_at = excluded.ended_at
   where known.ended_at is null;
  if found then
    return jsonb_build_object('outcome', 'ended');
  end if;
  select * into strict v_call from ensemble.tool_calls
   where tenant_id = p_tenant and run_id = (p->>'runId')::uuid and key = p->>'key';
  return ensemble.tool_call_answer('already', v_call);
end
$$;--> statement-breakpoint

-- Keeps that an attempt needed the outcome of a call and nobody could tell it, and tells the run's readers.
create function ensemble.doubt_tool_call(p_tenant uuid, p jsonb) returns jsonb
language plpgsql as $$
declare
  v_call ensemble.tool_calls;
  v_row ensemble.agent_runs;
begin
  perform ensemble.enter_tenant(p_tenant);
  if not ensemble.holds_agent_run(p_tenant, p) then
    return jsonb_build_object('outcome', 'fenced');
  end if;
  update ensemble.tool_calls set unknown_at = coalesce(unknown_at, clock_timestamp())
   where tenant_id = p_tenant and run_id = (p->>'runId')::uuid and key = p->>'key' and ended_at is null
  returning * into v_call;
  if not found then
    select * into strict v_call from ensemble.tool_calls
     where tenant_id = p_tenant and run_id = (p->>'runId')::uuid and key = p->>'key';
    return ensemble.tool_call_answer('known', v_call);
  end if;
  select * into strict v_row from ensemble.agent_runs
   where tenant_id = p_tenant and id = v_call.agent_run_id;
  perform ensemble.append_events(p_tenant, v_row.run_id, jsonb_build_array(ensemble.agent_event(
    v_row, 'attempt:' || v_row.attempt || ':tool:' || v_call.key || ':unknown', 'tool.outcome-unknown',
    jsonb_build_object('key', v_call.key, 'tool', v_call.tool, 'step', v_call.step,
      'attempt', v_row.attempt))));
  return jsonb_build_object('outcome', 'unknown');
end
$$;--> statement-breakpoint

-- An operator says what became of a call, which holds like an outcome. Not of one that is being made right now.
create function ensemble.resolve_tool_call(p_tenant uuid, p jsonb) returns jsonb
language plpgsql as $$
declare
  v_run constant uuid := (p->>'runId')::uuid;
  v_status ensemble.run_status;
  v_call ensemble.tool_calls;
  v_row ensemble.agent_runs;
begin
  perform ensemble.enter_tenant(p_tenant);
  select status into v_status from ensemble.runs where tenant_id = p_tenant and id = v_run;
  if not found then
    return jsonb_build_object('outcome', 'run-unknown');
  end if;
  select * into v_call from ensemble.tool_calls
   where tenant_id = p_tenant and run_id = v_run and key = p->>'key';
  if not found then
    return jsonb_build_object('outcome', 'call-unknown');
  end if;
  select * into strict v_row from ensemble.agent_runs
   where tenant_id = p_tenant and id = v_call.agent_run_id for no key update;
  select * into strict v_call from ensemble.tool_calls
   where tenant_id = p_tenant and run_id = v_run and key = p->>'key' for no key update;
  if v_call.ended_at is not null then
    return ensemble.tool_call_answer('already', v_call);
  elsif v_call.unknown_at is null and v_row.status = 'running' and v_row.token_hash is not null
    and v_row.attempt = v_call.attempt then
    return jsonb_build_object('outcome', 'under-way', 'attempt', v_call.attempt);
  end if;
  update ensemble.tool_calls
     set result = nullif(p->'result', 'null'), failure = nullif(p->'failure', 'null'),
         resolved_by = p->>'by', ended_at = clock_timestamp()
   where tenant_id = p_tenant and run_id = v_run and key = v_call.key;
  insert into ensemble.audit_log (id, tenant_id, purpose, actor, detail)
  values
    ((p->>'auditId')::uuid, p_tenant, 'resolve-tool-call', p->>'by',
     jsonb_build_object('runId', v_run, 'key', v_call.key, 'tool', v_call.tool,
       'failed', p->'failure' <> 'null'));
  -- A run's story ends with the run; what is resolved later is in the ledger and the audit log.
  if not ensemble.is_final(v_status) then
    perform ensemble.append_events(p_tenant, v_run, jsonb_build_array(ensemble.agent_event(
      v_row, 'tool:' || v_call.key || ':resolved', 'tool.resolved',
      jsonb_build_object('key', v_call.key, 'tool', v_call.tool, 'step', v_call.step, 'by', p->>'by',
        'failed', p->'failure' <> 'null'))));
  end if;
  return jsonb_build_object('outcome', 'resolved');
end
$$;--> statement-breakpoint

create function ensemble.append_journal(p_tenant uuid, p jsonb) returns jsonb
language plpgsql as $$
begin
  perform ensemble.enter_tenant(p_tenant);
  if not ensemble.holds_agent_run(p_tenant, p) then
    return jsonb_build_object('outcome', 'fenced');
  end if;
  insert into ensemble.journal_entries (tenant_id, agent_run_id, seq, attempt, entry)
  values
    (p_tenant, (p->>'agentRunId')::uuid, (p->>'seq')::integer, (p->>'attempt')::integer, p->'entry')
  on conflict (tenant_id, agent_run_id, seq) do nothing;
  return jsonb_build_object('outcome', case when found then 'appended' else 'already' end);
end
$$;--> statement-breakpoint

-- What the model calls of a run, or of one of its agent runs, took: every attempt's. A sum with an unknown part is
-- unknown. Volatile, so that it sees what was committed while its caller waited for a lock.
create function ensemble.usage_of(p_tenant uuid, p_run uuid, p_agent_run uuid default null) returns jsonb
language plpgsql as $$
declare
  v_usage jsonb;
begin
  with calls as (
    select * from ensemble.model_calls
     where p_agent_run is null and tenant_id = p_tenant and run_id = p_run
    union all
    select * from ensemble.model_calls
     where p_agent_run is not null and tenant_id = p_tenant and agent_run_id = p_agent_run
  )
  select jsonb_build_object(
           'modelCalls', count(*),
           'inputTokens', case count(*) when count(input_tokens) then coalesce(sum(input_tokens), 0) end,
           'outputTokens', case count(*) when count(output_tokens) then coalesce(sum(output_tokens), 0) end,
           'cachedInputTokens',
             case count(*) when count(cached_input_tokens) then coalesce(sum(cached_input_tokens), 0) end,
           'reasoningTokens',
             case count(*) when count(reasoning_tokens) then coalesce(sum(reasoning_tokens), 0) end,
           'costMicros', case count(*) when count(cost_micros) then coalesce(sum(cost_micros), 0) end)
    into v_usage from calls;
  return v_usage;
end
$$;--> statement-breakpoint

-- Keeps one call to a model. The one write of an attempt that is not fenced: the money is spent, whoever holds the agent
-- run by then, and it changes nothing but sums. A call that comes to light after the end is added to them.
create function ensemble.record_model_call(p_tenant uuid, p jsonb) returns jsonb
language plpgsql as $$
declare
  v_row ensemble.agent_runs;
  v_status ensemble.run_status;
begin
  perform ensemble.enter_tenant(p_tenant);
  -- The lock that closing takes: a close sees this call, or this call sees the close.
  select * into v_row from ensemble.agent_runs
   where tenant_id = p_tenant and id = (p->>'agentRunId')::uuid and run_id = (p->>'runId')::uuid
     for no key update;
  if not found then
    return jsonb_build_object('outcome', 'run-unknown');
  end if;
  insert into ensemble.model_calls
    (tenant_id, id, run_id, agent_run_id, attempt, provider, model, input_tokens, output_tokens,
     cached_input_tokens, reasoning_tokens, first_token_ms, duration_ms, cost_micros, prices_of, failure)
  values
    (p_tenant, (p->>'id')::uuid, v_row.run_id, v_row.id, (p->>'attempt')::integer, p->>'provider', p->>'model',
     (p->>'inputTokens')::bigint, (p->>'outputTokens')::bigint, (p->>'cachedInputTokens')::bigint,
     (p->>'reasoningTokens')::bigint, (p->>'firstTokenMs')::integer, (p->>'durationMs')::integer,
     (p->>'costMicros')::bigint, p->>'pricesOf', nullif(p->'failure', 'null'))
  on conflict (tenant_id, id) do nothing;
  if not found then
    return jsonb_build_object('outcome', 'already');
  elsif v_row.status = 'running' then
    return jsonb_build_object('outcome', 'recorded');
  end if;
  update ensemble.agent_runs set usage = ensemble.usage_of(p_tenant, v_row.run_id, v_row.id)
   where tenant_id = p_tenant and id = v_row.id;
  select status into strict v_status from ensemble.runs
   where tenant_id = p_tenant and id = v_row.run_id for no key update;
  if ensemble.is_final(v_status) then
    update ensemble.runs set usage = ensemble.usage_of(p_tenant, v_row.run_id)
     where tenant_id = p_tenant and id = v_row.run_id;
  end if;
  return jsonb_build_object('outcome', 'recorded');
end
$$;--> statement-breakpoint

create function ensemble.run_usage(p_tenant uuid, p jsonb) returns jsonb
language plpgsql as $$
begin
  perform ensemble.enter_tenant(p_tenant);
  return ensemble.usage_of(p_tenant, (p->>'runId')::uuid);
end
$$;--> statement-breakpoint

-- Stores pieces of several runs' streams, each run's numbered on from its last; a piece that is known by its ordinal
-- is not stored again. What an attempt says that no longer holds its agent run is dropped: it must not follow its
-- successor's `reset`.
create function ensemble.append_tokens(p_tenant uuid, p jsonb) returns jsonb
language plpgsql as $$
declare
  v_counts jsonb;
  v_last jsonb;
  v_count integer;
begin
  perform ensemble.enter_tenant(p_tenant);
  select jsonb_object_agg(given.run_id, given.chunks) into v_counts
    from (
      select element.chunk->>'runId' as run_id, count(*) as chunks
        from jsonb_array_elements(p->'chunks') as element (chunk) group by 1
    ) as given;
  -- Numbers are given under the stream's lock, so that no reader passes one that is not committed yet.
  with counted as (
    insert into ensemble.token_streams as stream (tenant_id, run_id, last_seq)
    select p_tenant, runs.id,
           floor(extract(epoch from clock_timestamp() - runs.created_at) * 1000000)
             + (v_counts->>runs.id::text)::bigint
      from ensemble.runs
     where runs.tenant_id = p_tenant and not ensemble.is_final(runs.status)
       and runs.id in (select known::uuid from jsonb_object_keys(v_counts) as known)
     order by runs.id
    on conflict (tenant_id, run_id) do update
       set last_seq = stream.last_seq + (v_counts->>excluded.run_id::text)::bigint,
           updated_at = clock_timestamp()
    returning run_id, last_seq
  )
  select coalesce(jsonb_object_agg(run_id, last_seq), '{}') into v_last from counted;

  insert into ensemble.token_chunks
    (tenant_id, run_id, seq, agent_run_id, attempt, ordinal, call, kind, text, tool)
  select p_tenant, chunk."runId",
         (v_last->>chunk."runId"::text)::bigint - (v_counts->>chunk."runId"::text)::bigint
           + row_number() over (partition by chunk."runId" order by chunk."agentRunId", chunk.ordinal),
         chunk."agentRunId", chunk.attempt, chunk.ordinal, chunk.call, chunk.kind, chunk.text,
         nullif(chunk.tool, 'null')
    from jsonb_to_recordset(p->'chunks') as chunk (
           "runId" uuid, "agentRunId" uuid, attempt integer, ordinal integer, call integer, kind text,
           text text, tool jsonb)
    join ensemble.agent_runs
      on agent_runs.tenant_id = p_tenant and agent_runs.id = chunk."agentRunId"
     and agent_runs.run_id = chunk."runId" and agent_runs.attempt = chunk.attempt
     and agent_runs.status = 'running' and agent_runs.token_hash is not null
   where v_last ? chunk."runId"::text
  on conflict (tenant_id, agent_run_id, attempt, ordinal) do nothing;
  get diagnostics v_count = row_count;
  return jsonb_build_object('outcome', 'appended', 'count', v_count);
end
$$;--> statement-breakpoint

-- As in 0004, but that usage is what the ledger says.
create or replace function ensemble.close_agent_run(p_tenant uuid, p jsonb) returns jsonb
language plpgsql as $$
declare
  v_attempt constant integer := (p->>'attempt')::integer;
  v_id constant uuid := (p->>'agentRunId')::uuid;
  v_run constant uuid := (p->>'runId')::uuid;
  v_row ensemble.agent_runs;
  v_usage jsonb := p->'result'->'usage';
begin
  perform ensemble.enter_tenant(p_tenant);
  if v_attempt > 1 or (v_usage->>'modelCalls')::integer > 0 then
    v_usage := ensemble.usage_of(p_tenant, v_run, v_id);
  end if;
  update ensemble.agent_runs
     set status = 'completed', result = p->'result' || jsonb_build_object('usage', v_usage), usage = v_usage,
         token_hash = null, ended_at = clock_timestamp(), updated_at = clock_timestamp()
   where tenant_id = p_tenant and id = v_id and run_id = v_run
     and attempt = v_attempt and token_hash = p->>'tokenHash' and status = 'running'
  returning * into v_row;
  if found then
    perform ensemble.append_events(p_tenant, v_run, coalesce(p->'events', '[]') || jsonb_build_array(
      ensemble.agent_event(v_row, 'completed', 'agent.completed',
        jsonb_build_object('attempt', v_row.attempt, 'usage', v_usage))));
    return jsonb_build_object('outcome', 'closed', 'usage', v_usage);
  end if;

  select * into v_row from ensemble.agent_runs where tenant_id = p_tenant and id = v_id and run_id = v_run;
  if not found or v_row.status = 'running' then
    return jsonb_build_object('outcome', 'fenced');
  end if;
  return ensemble.closed_answer('already', v_row);
end
$$;--> statement-breakpoint

-- As in 0004, but that a failed attempt's usage is kept with the agent run, and that one which a stopping worker gave up
-- is told from those that count.
create or replace function ensemble.fail_attempt(p_tenant uuid, p jsonb) returns jsonb
language plpgsql as $$
declare
  v_row ensemble.agent_runs;
begin
  perform ensemble.enter_tenant(p_tenant);
  update ensemble.agent_runs
     set token_hash = null, usage = ensemble.usage_of(p_tenant, run_id, id), updated_at = clock_timestamp(),
         given_up = given_up + case when (p->>'givenUp')::boolean then 1 else 0 end
   where tenant_id = p_tenant and id = (p->>'agentRunId')::uuid and run_id = (p->>'runId')::uuid
     and attempt = (p->>'attempt')::integer and token_hash = p->>'tokenHash' and status = 'running'
  returning * into v_row;
  if not found then
    return jsonb_build_object('outcome', case when exists (
      select from ensemble.agent_run_attempts
       where tenant_id = p_tenant and agent_run_id = (p->>'agentRunId')::uuid
         and attempt = (p->>'attempt')::integer
    ) then 'already' else 'fenced' end);
  end if;
  perform ensemble.append_events(p_tenant, v_row.run_id, ensemble.record_attempt(v_row, p->'failure',
    jsonb_strip_nulls(jsonb_build_object(
      'willRetry', p->'willRetry', 'nextAttemptInMs', p->'nextAttemptInMs'))));
  return jsonb_build_object('outcome', 'recorded');
end
$$;--> statement-breakpoint

-- As in 0004, but that usage is what the ledger says. With `maxAttempts`, one that may be tried again is not closed:
-- Temporal counts attempts that never opened the row (a frozen worker took the task, PostgreSQL was away) and those that a
-- stopping worker gave up.
create or replace function ensemble.settle_agent_run(p_tenant uuid, p jsonb) returns jsonb
language plpgsql as $$
declare
  v_run constant uuid := (p->>'runId')::uuid;
  v_end constant ensemble.agent_run_status := (p->>'status')::ensemble.agent_run_status;
  v_status ensemble.run_status;
  v_row ensemble.agent_runs;
  v_last jsonb := '[]';
  v_counted integer;
begin
  perform ensemble.enter_tenant(p_tenant);
  select status into v_status from ensemble.runs where tenant_id = p_tenant and id = v_run;
  if not found then
    return jsonb_build_object('outcome', 'run-unknown');
  end if;
  select * into v_row from ensemble.agent_runs
   where tenant_id = p_tenant and run_id = v_run and address = p->>'address' for no key update;
  if found and v_row.status <> 'running' then
    if not ensemble.is_final(v_status) then
      perform ensemble.append_events(p_tenant, v_run, p->'events', true);
    end if;
    return ensemble.closed_answer(
      case v_row.status when 'completed' then 'adopted' else 'already' end, v_row);
  elsif ensemble.is_final(v_status) then
    return jsonb_build_object('outcome', 'run-final', 'status', v_status);
  end if;

  v_counted := coalesce(v_row.attempt - v_row.given_up, 0);
  if v_counted < (p->>'maxAttempts')::integer then
    perform ensemble.append_events(p_tenant, v_run, p->'events', true);
    return jsonb_build_object('outcome', 'unfinished', 'attempts', v_counted);
  end if;

  if v_row.id is null then
    insert into ensemble.agent_runs
      (tenant_id, id, run_id, address, agent, version, status, attempt, scheduled_at_ms, activity_attempt,
       failure, ended_at)
    values
      (p_tenant, (p->>'candidateId')::uuid, v_run, p->>'address', p->>'agent', p->>'version', v_end, 0, 0, 0,
       p->'failure', clock_timestamp())
    on conflict (tenant_id, run_id, address) do nothing
    returning * into v_row;
    if not found then
      raise serialization_failure using message = 'the agent run was opened meanwhile';
    end if;
  else
    if v_end = 'failed' then
      -- An attempt that timed out or was lost said nothing; the workflow's failure is what is known of it.
      v_last := ensemble.record_attempt(v_row, p->'failure', jsonb_build_object('willRetry', false));
    end if;
    update ensemble.agent_runs
       set status = v_end, failure = p->'failure', token_hash = null,
           usage = ensemble.usage_of(p_tenant, v_run, v_row.id),
           ended_at = clock_timestamp(), updated_at = clock_timestamp()
     where tenant_id = p_tenant and id = v_row.id
    returning * into v_row;
  end if;
  perform ensemble.append_events(p_tenant, v_run, (p->'events') || v_last || jsonb_build_array(
    ensemble.agent_event(v_row, 'failed', 'agent.failed',
      jsonb_build_object('status', v_end, 'attempts', v_row.attempt) || (p->'failure'))), true);
  return jsonb_build_object('outcome', 'settled', 'agentRunId', v_row.id, 'attempt', v_row.attempt);
end
$$;--> statement-breakpoint

-- As in 0003, but that usage is what the ledger says, attempts that failed included.
create or replace function ensemble.finish_run(p_tenant uuid, p jsonb) returns jsonb
language plpgsql as $$
declare
  v_run constant uuid := (p->>'runId')::uuid;
  v_end constant ensemble.run_status := (p->>'status')::ensemble.run_status;
  v_failure constant jsonb := nullif(p->'failure', 'null');
  v_left_failure constant jsonb := jsonb_build_object(
    'code', case v_end when 'cancelled' then 'RUN_CANCELLED' else 'RUN_FINAL' end,
    'message', format('The run ended (%s) while this agent was running.', v_end));
  v_status ensemble.run_status;
  v_left jsonb;
  v_usage jsonb;
begin
  perform ensemble.enter_tenant(p_tenant);
  select status into v_status from ensemble.runs where tenant_id = p_tenant and id = v_run;
  if not found then
    return jsonb_build_object('outcome', 'run-unknown');
  elsif ensemble.is_final(v_status) then
    return jsonb_build_object('outcome', 'already', 'status', v_status);
  end if;

  with left_open as (
    select id from ensemble.agent_runs
     where tenant_id = p_tenant and run_id = v_run and status = 'running'
     order by id for no key update
  ), cancelled as (
    update ensemble.agent_runs as target
       set status = 'cancelled', failure = v_left_failure, token_hash = null,
           usage = ensemble.usage_of(p_tenant, v_run, left_open.id),
           ended_at = clock_timestamp(), updated_at = clock_timestamp()
      from left_open
     where target.tenant_id = p_tenant and target.id = left_open.id
    returning target
  )
  select coalesce(jsonb_agg(
           ensemble.agent_event((cancelled.target), 'failed', 'agent.failed',
             jsonb_build_object('status', 'cancelled', 'attempts', (cancelled.target).attempt)
               || v_left_failure)
           order by (cancelled.target).address), '[]')
    into v_left from cancelled;

  -- Locked before it is summed: a call recorded from here on waits, finds the run final, and adds itself.
  perform from ensemble.runs where tenant_id = p_tenant and id = v_run for no key update;
  v_usage := ensemble.usage_of(p_tenant, v_run);
  perform ensemble.append_events(p_tenant, v_run, (p->'events') || v_left || jsonb_build_array(
    jsonb_build_object('key', 'run.' || v_end, 'type', 'run.' || v_end, 'data',
      jsonb_build_object('usage', v_usage, 'degraded', p->'degraded') || coalesce(v_failure, '{}'))));
  if exists (
    select from ensemble.agent_runs where tenant_id = p_tenant and run_id = v_run and status = 'running'
  ) then
    -- Opened while this waited for the run's row; its row must be locked before the run's, so once more.
    raise serialization_failure using message = 'an agent run was opened meanwhile';
  end if;

  update ensemble.runs
     set status = v_end, result = nullif(p->'result', 'null'), failure = v_failure, degraded = p->'degraded',
         usage = v_usage, ended_at = clock_timestamp(), updated_at = clock_timestamp()
   where tenant_id = p_tenant and id = v_run and not ensemble.is_final(status);
  if not found then
    select status into strict v_status from ensemble.runs where tenant_id = p_tenant and id = v_run;
    return jsonb_build_object('outcome', 'already', 'status', v_status);
  end if;
  return jsonb_build_object('outcome', 'finished', 'status', v_end);
end
$$;--> statement-breakpoint

revoke execute on all functions in schema ensemble from public;--> statement-breakpoint
grant execute on all functions in schema ensemble to ensemble_app;
