-- The life of an agent run. Its row is the arbiter: opening raises the attempt and issues the token, and
-- every later write holds only while that token is the row's. Lock order: the agent run's row, then the
-- run's.

create function ensemble.closed_answer(p_outcome text, p_row ensemble.agent_runs) returns jsonb
language plpgsql immutable as $$
begin
  return jsonb_build_object(
    'outcome', p_outcome, 'agentRunId', p_row.id, 'attempt', p_row.attempt, 'status', p_row.status,
    'result', p_row.result, 'failure', p_row.failure);
end
$$;--> statement-breakpoint

-- Keeps the current attempt of a row as failed, once. Answers the events that tell of it: one, or none if
-- known.
create function ensemble.record_attempt(
  p_row ensemble.agent_runs, p_failure jsonb, p_data jsonb
) returns jsonb
language plpgsql as $$
begin
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

-- Begins an attempt, unless the run is over, the work is done already, or a younger attempt is under way.
create function ensemble.open_agent_run(p_tenant uuid, p jsonb) returns jsonb
language plpgsql as $$
declare
  v_run constant uuid := (p->>'runId')::uuid;
  v_scheduled constant bigint := (p->>'scheduledAtMs')::bigint;
  v_activity constant integer := (p->>'activityAttempt')::integer;
  v_status ensemble.run_status;
  v_row ensemble.agent_runs;
  v_lost jsonb := '[]';
begin
  perform ensemble.enter_tenant(p_tenant);
  select status into v_status from ensemble.runs where tenant_id = p_tenant and id = v_run;
  if not found then
    return jsonb_build_object('outcome', 'run-unknown');
  elsif ensemble.is_final(v_status) then
    return jsonb_build_object('outcome', 'run-final', 'status', v_status);
  end if;

  insert into ensemble.agent_runs
    (tenant_id, id, run_id, address, agent, version, status, attempt, scheduled_at_ms, activity_attempt,
     token_hash, worker, started_at, attempt_started_at)
  values
    (p_tenant, (p->>'candidateId')::uuid, v_run, p->>'address', p->>'agent', p->>'version', 'running', 1,
     v_scheduled, v_activity, p->>'tokenHash', p->>'worker', clock_timestamp(), clock_timestamp())
  on conflict (tenant_id, run_id, address) do nothing
  returning * into v_row;
  if not found then
    select * into strict v_row from ensemble.agent_runs
     where tenant_id = p_tenant and run_id = v_run and address = p->>'address' for no key update;
    if v_row.status <> 'running' then
      -- Decisions ride in every opening, also in one that finds the work done.
      perform ensemble.append_events(p_tenant, v_run, p->'events', true);
      return ensemble.closed_answer('closed', v_row);
    elsif (v_scheduled, v_activity) < (v_row.scheduled_at_ms, v_row.activity_attempt) then
      return jsonb_build_object('outcome', 'fenced');
    elsif (v_scheduled, v_activity) = (v_row.scheduled_at_ms, v_row.activity_attempt)
      and v_row.token_hash = p->>'tokenHash' then
      -- The same opening sent again, its first answer lost on the way.
      return jsonb_build_object('outcome', 'open', 'agentRunId', v_row.id, 'attempt', v_row.attempt);
    end if;
    v_lost := ensemble.record_attempt(v_row,
      jsonb_build_object('code', 'AGENT_LOST', 'message', 'The attempt ended without a word.'),
      jsonb_build_object('willRetry', true));
    update ensemble.agent_runs
       set attempt = v_row.attempt + 1, scheduled_at_ms = v_scheduled, activity_attempt = v_activity,
           token_hash = p->>'tokenHash', worker = p->>'worker',
           attempt_started_at = clock_timestamp(), updated_at = clock_timestamp()
     where tenant_id = p_tenant and id = v_row.id
    returning * into v_row;
  end if;

  perform ensemble.append_events(p_tenant, v_run, (p->'events') || v_lost || jsonb_build_array(
    ensemble.agent_event(v_row, 'attempt:' || v_row.attempt || ':started', 'agent.started',
      jsonb_build_object('attempt', v_row.attempt))), true);
  return jsonb_build_object('outcome', 'open', 'agentRunId', v_row.id, 'attempt', v_row.attempt);
end
$$;--> statement-breakpoint

-- Stores the complete result, if the attempt still holds the row.
create function ensemble.close_agent_run(p_tenant uuid, p jsonb) returns jsonb
language plpgsql as $$
declare
  v_row ensemble.agent_runs;
begin
  perform ensemble.enter_tenant(p_tenant);
  update ensemble.agent_runs
     set status = 'completed', result = p->'result', usage = nullif(p->'usage', 'null'), token_hash = null,
         ended_at = clock_timestamp(), updated_at = clock_timestamp()
   where tenant_id = p_tenant and id = (p->>'agentRunId')::uuid and run_id = (p->>'runId')::uuid
     and attempt = (p->>'attempt')::integer and token_hash = p->>'tokenHash' and status = 'running'
  returning * into v_row;
  if found then
    perform ensemble.append_events(p_tenant, v_row.run_id, coalesce(p->'events', '[]') || jsonb_build_array(
      ensemble.agent_event(v_row, 'completed', 'agent.completed',
        jsonb_build_object('attempt', v_row.attempt, 'usage', v_row.usage))));
    return jsonb_build_object('outcome', 'closed');
  end if;

  select * into v_row from ensemble.agent_runs
   where tenant_id = p_tenant and id = (p->>'agentRunId')::uuid and run_id = (p->>'runId')::uuid;
  if not found or v_row.status = 'running' then
    return jsonb_build_object('outcome', 'fenced');
  end if;
  return ensemble.closed_answer('already', v_row);
end
$$;--> statement-breakpoint

-- Keeps the failure of an attempt that holds the row, and takes its token: a failed attempt can close
-- nothing.
create function ensemble.fail_attempt(p_tenant uuid, p jsonb) returns jsonb
language plpgsql as $$
declare
  v_row ensemble.agent_runs;
begin
  perform ensemble.enter_tenant(p_tenant);
  update ensemble.agent_runs
     set token_hash = null, updated_at = clock_timestamp()
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

-- Closes an agent run from the workflow's side, after its final failure, timeout or cancellation; a result
-- that was stored meanwhile is adopted. One that was never opened gets its row here, with attempt 0.
create function ensemble.settle_agent_run(p_tenant uuid, p jsonb) returns jsonb
language plpgsql as $$
declare
  v_run constant uuid := (p->>'runId')::uuid;
  v_end constant ensemble.agent_run_status := (p->>'status')::ensemble.agent_run_status;
  v_status ensemble.run_status;
  v_row ensemble.agent_runs;
  v_last jsonb := '[]';
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

revoke execute on all functions in schema ensemble from public;--> statement-breakpoint
grant execute on all functions in schema ensemble to ensemble_app;
