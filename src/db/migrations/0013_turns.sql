CREATE TABLE "ensemble"."agent_run_turns" (
	"tenant_id" uuid NOT NULL,
	"agent_run_id" uuid NOT NULL,
	"turn" integer NOT NULL,
	"rest" jsonb NOT NULL,
	"ended_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "agent_run_turns_tenant_id_agent_run_id_turn_pk" PRIMARY KEY("tenant_id","agent_run_id","turn"),
	CONSTRAINT "agent_run_turns_turn" CHECK ("ensemble"."agent_run_turns"."turn" > 0)
);
--> statement-breakpoint
ALTER TABLE "ensemble"."agent_run_turns" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
ALTER TABLE "ensemble"."message_waits" ADD COLUMN "member" text;--> statement-breakpoint
ALTER TABLE "ensemble"."agent_runs" ADD COLUMN "turn" integer DEFAULT 1 NOT NULL;--> statement-breakpoint
ALTER TABLE "ensemble"."agent_run_turns" ADD CONSTRAINT "agent_run_turns_agent_run" FOREIGN KEY ("tenant_id","agent_run_id") REFERENCES "ensemble"."agent_runs"("tenant_id","id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE POLICY "tenant" ON "ensemble"."agent_run_turns" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid) WITH CHECK (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid);--> statement-breakpoint

alter table ensemble.agent_run_turns force row level security;--> statement-breakpoint
-- A turn that ended is never changed.
grant select, insert on ensemble.agent_run_turns to ensemble_app;--> statement-breakpoint

-- Whether the row's turn is over and its next one has not begun.
create function ensemble.is_asleep(p_row ensemble.agent_runs) returns boolean
language sql stable as $$
  select p_row.status = 'running' and exists (
    select from ensemble.agent_run_turns
     where tenant_id = p_row.tenant_id and agent_run_id = p_row.id and turn = p_row.turn)
$$;--> statement-breakpoint

-- As in 0004, but that an attempt which ended with its agent lying down has not failed, whatever became of it later.
create or replace function ensemble.record_attempt(
  p_row ensemble.agent_runs, p_failure jsonb, p_data jsonb
) returns jsonb
language plpgsql as $$
begin
  if ensemble.is_asleep(p_row) then
    return '[]';
  end if;
  insert into ensemble.agent_run_attempts
    (tenant_id, agent_run_id, attempt, failure, will_retry, worker, started_at)
  values
    (p_row.tenant_id, p_row.id, p_row.attempt, p_failure, (p_data->>'willRetry')::boolean, p_row.worker,
     p_row.attempt_started_at)
  on conflict do nothing;
  if not found then
    return '[]';
  end if;
  return jsonb_build_array(ensemble.agent_event(
    p_row, 'attempt:' || p_row.attempt || ':failed', 'agent.attempt-failed',
    jsonb_build_object('attempt', p_row.attempt) || p_failure || p_data));
end
$$;--> statement-breakpoint

-- Begins an attempt, unless the run is over, the work or the turn is done already, or a younger attempt is under way.
-- The first attempt of a turn wakes an agent run that sleeps. Replaces the function of 0004.
create or replace function ensemble.open_agent_run(p_tenant uuid, p jsonb) returns jsonb
language plpgsql as $$
declare
  v_run constant uuid := (p->>'runId')::uuid;
  v_turn constant integer := coalesce((p->>'turn')::integer, 1);
  v_scheduled constant bigint := (p->>'scheduledAtMs')::bigint;
  v_activity constant integer := (p->>'activityAttempt')::integer;
  v_status ensemble.run_status;
  v_row ensemble.agent_runs;
  v_lost jsonb := '[]';
  v_asleep boolean;
  v_wakes boolean := false;
begin
  perform ensemble.enter_tenant(p_tenant);
  select status into v_status from ensemble.runs where tenant_id = p_tenant and id = v_run;
  if not found then
    return jsonb_build_object('outcome', 'run-unknown');
  elsif ensemble.is_final(v_status) then
    return jsonb_build_object('outcome', 'run-final', 'status', v_status);
  end if;

  if v_turn = 1 then
    insert into ensemble.agent_runs
      (tenant_id, id, run_id, address, agent, version, status, attempt, scheduled_at_ms, activity_attempt,
       token_hash, worker, started_at, attempt_started_at)
    values
      (p_tenant, (p->>'candidateId')::uuid, v_run, p->>'address', p->>'agent', p->>'version', 'running', 1,
       v_scheduled, v_activity, p->>'tokenHash', p->>'worker', clock_timestamp(), clock_timestamp())
    on conflict (tenant_id, run_id, address) do nothing
    returning * into v_row;
  end if;
  if v_row.id is null then
    select * into strict v_row from ensemble.agent_runs
     where tenant_id = p_tenant and run_id = v_run and address = p->>'address' for no key update;
    if v_row.status <> 'running' then
      -- Decisions ride in every opening, also in one that finds the work done.
      perform ensemble.append_events(p_tenant, v_run, p->'events', true);
      return ensemble.closed_answer('closed', v_row);
    end if;
    v_asleep := ensemble.is_asleep(v_row);
    if v_turn < v_row.turn or v_turn = v_row.turn and v_asleep then
      perform ensemble.append_events(p_tenant, v_run, p->'events', true);
      return ensemble.rest_answer(v_row, v_turn);
    elsif v_turn > v_row.turn + 1 or v_turn > v_row.turn and not v_asleep
      or v_turn = v_row.turn and (v_scheduled, v_activity) < (v_row.scheduled_at_ms, v_row.activity_attempt) then
      return jsonb_build_object('outcome', 'fenced');
    elsif v_turn = v_row.turn
      and (v_scheduled, v_activity) = (v_row.scheduled_at_ms, v_row.activity_attempt)
      and v_row.token_hash = p->>'tokenHash' then
      -- The same opening sent again, its first answer lost on the way.
      return ensemble.open_answer(v_row);
    end if;
    v_wakes := v_turn > v_row.turn;
    if not v_wakes then
      v_lost := ensemble.record_attempt(v_row,
        jsonb_build_object('code', 'AGENT_LOST', 'message', 'The attempt ended without a word.'),
        jsonb_build_object('willRetry', true));
    end if;
    update ensemble.agent_runs
       set attempt = v_row.attempt + 1, scheduled_at_ms = v_scheduled, activity_attempt = v_activity,
           turn = v_turn,
           -- Each turn has as many attempts as the first one had.
           given_up = case when v_wakes then v_row.attempt else v_row.given_up end,
           token_hash = p->>'tokenHash', worker = p->>'worker',
           attempt_started_at = clock_timestamp(), updated_at = clock_timestamp()
     where tenant_id = p_tenant and id = v_row.id
    returning * into v_row;
    if v_wakes then
      delete from ensemble.message_waits
       where tenant_id = p_tenant and run_id = v_run and address = v_row.address;
    end if;
  end if;

  perform ensemble.append_events(p_tenant, v_run, (p->'events') || v_lost || jsonb_build_array(
    ensemble.agent_event(v_row, 'attempt:' || v_row.attempt || ':started', 'agent.started',
      jsonb_build_object('attempt', v_row.attempt)
        || case when v_wakes then jsonb_build_object('turn', v_turn) else '{}' end)), true);
  return ensemble.open_answer(v_row);
end
$$;--> statement-breakpoint

-- An attempt that has begun; of a later turn also what the turn before it left.
create function ensemble.open_answer(p_row ensemble.agent_runs) returns jsonb
language plpgsql stable as $$
declare
  v_answer constant jsonb := jsonb_build_object(
    'outcome', 'open', 'agentRunId', p_row.id, 'attempt', p_row.attempt);
begin
  if p_row.turn = 1 then
    return v_answer;
  end if;
  return v_answer || (
    select jsonb_build_object('resumption', rest->'resumption' || jsonb_build_object(
             'untilMs', rest->'asleep'->'untilMs', 'written', rest->'asleep'->'written'))
      from ensemble.agent_run_turns
     where tenant_id = p_row.tenant_id and agent_run_id = p_row.id and turn = p_row.turn - 1);
end
$$;--> statement-breakpoint

-- What a turn that is over brought.
create function ensemble.rest_answer(p_row ensemble.agent_runs, p_turn integer) returns jsonb
language sql stable as $$
  select jsonb_build_object('outcome', 'asleep', 'rest', rest - 'resumption' - 'filter')
    from ensemble.agent_run_turns
   where tenant_id = p_row.tenant_id and agent_run_id = p_row.id and turn = p_turn
$$;--> statement-breakpoint

-- Ends a turn whose agent lies down, if the attempt still holds the row: keeps what the turn brought and what is to wake
-- the agent, and marks what it has read. Nobody holds the row until its next turn begins.
create function ensemble.lay_down_agent_run(p_tenant uuid, p jsonb) returns jsonb
language plpgsql as $$
declare
  v_turn constant integer := (p->>'turn')::integer;
  v_id constant uuid := (p->>'agentRunId')::uuid;
  v_run constant uuid := (p->>'runId')::uuid;
  v_row ensemble.agent_runs;
begin
  perform ensemble.enter_tenant(p_tenant);
  if p ? 'read' then
    -- What a fenced attempt has read stays unread.
    perform ensemble.consume_messages(p_tenant, p || jsonb_build_object('seqs', p->'read'));
  end if;
  update ensemble.agent_runs
     set token_hash = null, usage = ensemble.usage_of(p_tenant, v_run, v_id),
         updated_at = clock_timestamp()
   where tenant_id = p_tenant and id = v_id and run_id = v_run and turn = v_turn
     and attempt = (p->>'attempt')::integer and token_hash = p->>'tokenHash' and status = 'running'
  returning * into v_row;
  if found then
    insert into ensemble.agent_run_turns (tenant_id, agent_run_id, turn, rest)
    values (p_tenant, v_id, v_turn, jsonb_set(p->'rest', '{asleep,written}', (
      select to_jsonb(coalesce(max(number), 0)) from ensemble.context_writes
       where tenant_id = p_tenant and agent_run_id = v_id)));
    perform ensemble.append_events(p_tenant, v_run, jsonb_build_array(
      ensemble.agent_event(v_row, 'turn:' || v_turn || ':asleep', 'agent.asleep',
        jsonb_build_object('turn', v_turn, 'waitsFor', p->'rest'->'asleep'->'waitsFor',
          'until', to_char(to_timestamp((p->'rest'->'asleep'->>'untilMs')::float8 / 1000) at time zone 'UTC',
            'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')))));
    return ensemble.rest_answer(v_row, v_turn);
  end if;

  select * into v_row from ensemble.agent_runs where tenant_id = p_tenant and id = v_id and run_id = v_run;
  if found and (v_row.turn > v_turn or v_row.turn = v_turn and ensemble.is_asleep(v_row)) then
    return ensemble.rest_answer(v_row, v_turn);
  elsif not found or v_row.status = 'running' then
    return jsonb_build_object('outcome', 'fenced');
  end if;
  return ensemble.closed_answer('already', v_row);
end
$$;--> statement-breakpoint

-- As in 0012, with the members that sleep; who sleeps is not at work.
create or replace function ensemble.open_bus_to_route(p_tenant uuid, p jsonb) returns jsonb
language plpgsql as $$
declare
  v_bus constant jsonb := ensemble.open_bus(p_tenant, p);
begin
  return v_bus || jsonb_build_object(
    'waits', (
      select coalesce(jsonb_agg(jsonb_build_object(
               'address', address, 'wanted', wanted, 'member', member, 'found', waits.found) order by address), '[]')
        from ensemble.message_waits waits
       where tenant_id = p_tenant and run_id = (p->>'runId')::uuid and until > clock_timestamp()),
    'busy', case when (p->>'busy')::boolean then (
      select coalesce(jsonb_object_agg(agent, count), '{}') from (
        select agent, count(*) from ensemble.agent_runs agent_run
         where tenant_id = p_tenant and run_id = (p->>'runId')::uuid and status = 'running'
           and not ensemble.is_asleep(agent_run) group by agent) as working)
      else '{}' end);
end
$$;--> statement-breakpoint

revoke execute on function ensemble.is_asleep(ensemble.agent_runs) from public;--> statement-breakpoint
revoke execute on function ensemble.open_answer(ensemble.agent_runs) from public;--> statement-breakpoint
revoke execute on function ensemble.rest_answer(ensemble.agent_runs, integer) from public;--> statement-breakpoint
revoke execute on function ensemble.lay_down_agent_run(uuid, jsonb) from public;--> statement-breakpoint
grant execute on function ensemble.is_asleep(ensemble.agent_runs) to ensemble_app;--> statement-breakpoint
grant execute on function ensemble.open_answer(ensemble.agent_runs) to ensemble_app;--> statement-breakpoint
grant execute on function ensemble.rest_answer(ensemble.agent_runs, integer) to ensemble_app;--> statement-breakpoint
grant execute on function ensemble.lay_down_agent_run(uuid, jsonb) to ensemble_app;
