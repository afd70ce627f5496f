-- Whether a closing leaves changes of the context behind, by its result or from before it: the workflow tells of them, before
-- anything that follows.
create function ensemble.changes_context(p_tenant uuid, p jsonb) returns boolean
language plpgsql stable as $$
begin
  return p->'result'->'effects'->'context' <> '[]' or exists (
    select from ensemble.context_writes
     where tenant_id = p_tenant and agent_run_id = (p->>'agentRunId')::uuid);
end
$$;--> statement-breakpoint
revoke execute on function ensemble.changes_context(uuid, jsonb) from public;--> statement-breakpoint
grant execute on function ensemble.changes_context(uuid, jsonb) to ensemble_app;--> statement-breakpoint

-- The row of an agent run that begins; all null where there is one. Without `activityAttempt` it is opened ahead, and any opening
-- by its own activity is younger.
create function ensemble.begin_agent_run(p_tenant uuid, p_run uuid, p jsonb) returns ensemble.agent_runs
language plpgsql as $$
declare
  v_row ensemble.agent_runs;
begin
  insert into ensemble.agent_runs
    (tenant_id, id, run_id, address, agent, version, status, attempt, scheduled_at_ms, activity_attempt,
     token_hash, worker, started_at, attempt_started_at)
  values
    (p_tenant, (p->>'candidateId')::uuid, p_run, p->>'address', p->>'agent', p->>'version', 'running', 1,
     coalesce((p->>'scheduledAtMs')::bigint, 0), coalesce((p->>'activityAttempt')::integer, 0),
     p->>'tokenHash', p->>'worker', clock_timestamp(), clock_timestamp())
  on conflict (tenant_id, run_id, address) do nothing
  returning * into v_row;
  return v_row;
end
$$;--> statement-breakpoint
revoke execute on function ensemble.begin_agent_run(uuid, uuid, jsonb) from public;--> statement-breakpoint
grant execute on function ensemble.begin_agent_run(uuid, uuid, jsonb) to ensemble_app;--> statement-breakpoint

-- As in 0014, its condition shared with the closing that opens the next agent.
create or replace function ensemble.close_last_agent_run(p_tenant uuid, p jsonb) returns jsonb
language plpgsql as $$
declare
  v_closed constant jsonb := ensemble.close_agent_run(p_tenant, p);
  v_ended jsonb;
begin
  if v_closed->>'outcome' <> 'closed' or ensemble.changes_context(p_tenant, p) then
    return v_closed;
  end if;
  v_ended := ensemble.finish_silent_run(p_tenant, jsonb_build_object(
    'runId', p->>'runId', 'status', 'completed', 'result', p->'result'->'output', 'failure', null,
    'degraded', jsonb_build_array(), 'events', jsonb_build_array()));
  return v_closed
    || case v_ended->>'outcome' when 'finished' then jsonb_build_object('runEnded', true) else '{}' end;
end
$$;--> statement-breakpoint

-- As in 0007, but that with `next` the agent that follows is opened too, in the same transaction, where nothing is left that the
-- workflow would have to tell first: no context that changed. An activity attempt of 0 says that its own activity has not opened it.
create or replace function ensemble.close_agent_run(p_tenant uuid, p jsonb) returns jsonb
language plpgsql as $$
declare
  v_attempt constant integer := (p->>'attempt')::integer;
  v_id constant uuid := (p->>'agentRunId')::uuid;
  v_run constant uuid := (p->>'runId')::uuid;
  v_next constant jsonb := p->'next';
  v_row ensemble.agent_runs;
  v_ahead ensemble.agent_runs;
  v_usage jsonb := p->'result'->'usage';
  v_events jsonb := coalesce(p->'events', '[]');
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
    v_events := v_events || jsonb_build_array(ensemble.agent_event(v_row, 'completed', 'agent.completed',
      jsonb_build_object('attempt', v_row.attempt, 'usage', v_usage)));
    if v_next is not null and not ensemble.changes_context(p_tenant, p) then
      -- Before the run's row is locked, as every opening does it.
      v_ahead := ensemble.begin_agent_run(p_tenant, v_run, v_next);
      if v_ahead.id is not null then
        v_events := v_events || jsonb_build_array(ensemble.agent_event(v_ahead, 'attempt:1:started', 'agent.started',
          jsonb_build_object('attempt', 1)));
      end if;
    end if;
    perform ensemble.append_events(p_tenant, v_run, v_events);
    return jsonb_build_object('outcome', 'closed', 'usage', v_usage)
      || case when v_ahead.id is null then '{}' else jsonb_build_object('openedNext', true) end;
  end if;

  select * into v_row from ensemble.agent_runs where tenant_id = p_tenant and id = v_id and run_id = v_run;
  if not found or v_row.status = 'running' then
    return jsonb_build_object('outcome', 'fenced');
  end if;
  return ensemble.closed_answer('already', v_row);
end
$$;--> statement-breakpoint

-- As in 0014, but that the first attempt of an activity takes an opening that was made ahead, by the closing of the agent before it: if
-- that activity is only beginning, nobody has worked under it.
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
  v_ahead boolean;
begin
  perform ensemble.enter_tenant(p_tenant);
  select status into v_status from ensemble.runs where tenant_id = p_tenant and id = v_run;
  if not found then
    return jsonb_build_object('outcome', 'run-unknown');
  elsif ensemble.is_final(v_status) then
    select * into v_row from ensemble.agent_runs
     where tenant_id = p_tenant and run_id = v_run and address = p->>'address' and status = 'completed';
    if found then
      return ensemble.closed_answer('closed', v_row);
    end if;
    return jsonb_build_object('outcome', 'run-final', 'status', v_status);
  end if;

  if v_turn = 1 then
    v_row := ensemble.begin_agent_run(p_tenant, v_run, p);
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
    v_ahead := not v_wakes and v_row.activity_attempt = 0 and v_row.token_hash is not null
      and coalesce((p->>'first')::boolean, false);
    if not v_wakes and not v_ahead then
      v_lost := ensemble.record_attempt(v_row,
        jsonb_build_object('code', 'AGENT_LOST', 'message', 'The attempt ended without a word.'),
        jsonb_build_object('willRetry', true));
    end if;
    update ensemble.agent_runs
       set attempt = v_row.attempt + case when v_ahead then 0 else 1 end,
           scheduled_at_ms = v_scheduled, activity_attempt = v_activity, turn = v_turn,
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
$$;
