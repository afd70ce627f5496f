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
    if v_next is not null and p->'result'->'effects'->'context' = '[]' and not exists (
      select from ensemble.context_writes where tenant_id = p_tenant and agent_run_id = v_id
    ) then
      -- Before the run's row is locked, as every opening does it.
      insert into ensemble.agent_runs
        (tenant_id, id, run_id, address, agent, version, status, attempt, scheduled_at_ms, activity_attempt,
         token_hash, worker, started_at, attempt_started_at)
      values
        (p_tenant, (v_next->>'candidateId')::uuid, v_run, v_next->>'address', v_next->>'agent', v_next->>'version',
         'running', 1, 0, 0, v_next->>'tokenHash', v_next->>'worker', clock_timestamp(), clock_timestamp())
      on conflict (tenant_id, run_id, address) do nothing
      returning * into v_ahead;
      if found then
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
