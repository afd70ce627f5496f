-- Closes an agent run whose result is the run's too, and completes the run with it, in the same transaction, where nothing is
-- left that only the workflow could do: no context that it would change and tell of, no bus that it would close.
create function ensemble.close_last_agent_run(p_tenant uuid, p jsonb) returns jsonb
language plpgsql as $$
declare
  v_closed constant jsonb := ensemble.close_agent_run(p_tenant, p);
  v_ended jsonb;
begin
  if v_closed->>'outcome' <> 'closed' or p->'result'->'effects'->'context' <> '[]' or exists (
    select from ensemble.context_writes
     where tenant_id = p_tenant and agent_run_id = (p->>'agentRunId')::uuid
  ) then
    return v_closed;
  end if;
  v_ended := ensemble.finish_silent_run(p_tenant, jsonb_build_object(
    'runId', p->>'runId', 'status', 'completed', 'result', p->'result'->'output', 'failure', null,
    'degraded', jsonb_build_array(), 'events', jsonb_build_array()));
  return v_closed
    || case v_ended->>'outcome' when 'finished' then jsonb_build_object('runEnded', true) else '{}' end;
end
$$;--> statement-breakpoint
revoke execute on function ensemble.close_last_agent_run(uuid, jsonb) from public;--> statement-breakpoint
grant execute on function ensemble.close_last_agent_run(uuid, jsonb) to ensemble_app;--> statement-breakpoint

-- As in 0013, but that work which is done is answered where the run is over too: the agent may have ended it.
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
    select * into v_row from ensemble.agent_runs
     where tenant_id = p_tenant and run_id = v_run and address = p->>'address' and status = 'completed';
    if found then
      return ensemble.closed_answer('closed', v_row);
    end if;
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
$$;
