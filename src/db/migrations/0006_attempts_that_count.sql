ALTER TABLE "ensemble"."agent_runs" ADD COLUMN "given_up" integer DEFAULT 0 NOT NULL;--> statement-breakpoint

-- As before, with a short way for the usual case of one event more: one update and one insert.
create or replace function ensemble.append_events(
  p_tenant uuid, p_run uuid, p_events jsonb, p_begins boolean default false
) returns integer
language plpgsql as $$
declare
  v_status ensemble.run_status;
  v_last bigint;
  v_events jsonb := p_events;
  v_event constant jsonb := p_events->0;
  v_count integer;
begin
  if p_events is null then
    raise null_value_not_allowed using message = 'events must be an array';
  end if;
  if jsonb_array_length(p_events) = 1 then
    update ensemble.runs
       set last_event_seq = last_event_seq + 1, updated_at = clock_timestamp()
     where tenant_id = p_tenant and id = p_run and (status = 'running' or status = 'queued' and not p_begins)
    returning last_event_seq into v_last;
    if found then
      insert into ensemble.run_events (tenant_id, run_id, seq, key, type, address, agent, data)
      values (p_tenant, p_run, v_last, v_event->>'key', v_event->>'type', v_event->>'address',
              v_event->>'agent', coalesce(v_event->'data', '{}'))
      on conflict (tenant_id, run_id, key) do nothing;
      if found then
        return 1;
      end if;
      -- It is told already: the number goes back, under the lock that the update took.
      update ensemble.runs set last_event_seq = v_last - 1 where tenant_id = p_tenant and id = p_run;
      return 0;
    end if;
  end if;

  select status, last_event_seq into v_status, v_last
    from ensemble.runs where tenant_id = p_tenant and id = p_run for no key update;
  if not found then
    raise no_data_found using message = 'no such run';
  end if;
  p_begins := p_begins and v_status = 'queued';
  if p_begins then
    v_events := jsonb_build_array(jsonb_build_object('key', 'run.started', 'type', 'run.started'))
      || v_events;
  end if;

  insert into ensemble.run_events (tenant_id, run_id, seq, key, type, address, agent, data)
  select p_tenant, p_run, v_last + row_number() over (order by given.position),
         given.event->>'key', given.event->>'type', given.event->>'address', given.event->>'agent',
         coalesce(given.event->'data', '{}')
    from (
      select distinct on (element.event->>'key') element.event, element.position
        from jsonb_array_elements(v_events) with ordinality as element (event, position)
       order by element.event->>'key', element.position
    ) as given
   where not exists (
      select from ensemble.run_events known
       where known.tenant_id = p_tenant and known.run_id = p_run and known.key = given.event->>'key'
    );
  get diagnostics v_count = row_count;
  if v_count = 0 then
    return 0;
  end if;
  if ensemble.is_final(v_status) then
    -- It ended between the caller's look and this lock. Tried again, the caller sees the end.
    raise serialization_failure using message = 'the run ended meanwhile';
  end if;

  update ensemble.runs
     set last_event_seq = v_last + v_count,
         status = case when p_begins then 'running' else status end,
         started_at = case when p_begins then clock_timestamp() else started_at end,
         updated_at = clock_timestamp()
   where tenant_id = p_tenant and id = p_run;
  return v_count;
end
$$;--> statement-breakpoint

-- As before; an attempt that a stopping worker gave up is told from those that count.
create or replace function ensemble.fail_attempt(p_tenant uuid, p jsonb) returns jsonb
language plpgsql as $$
declare
  v_row ensemble.agent_runs;
begin
  perform ensemble.enter_tenant(p_tenant);
  update ensemble.agent_runs
     set token_hash = null, updated_at = clock_timestamp(),
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

-- As before; with `maxAttempts`, one that may be tried again is not closed: Temporal counts attempts that never
-- opened the row (a frozen worker took the task, PostgreSQL was away) and those that a stopping worker gave up.
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
           ended_at = clock_timestamp(), updated_at = clock_timestamp()
     where tenant_id = p_tenant and id = v_row.id
    returning * into v_row;
  end if;
  perform ensemble.append_events(p_tenant, v_run, (p->'events') || v_last || jsonb_build_array(
    ensemble.agent_event(v_row, 'failed', 'agent.failed',
      jsonb_build_object('status', v_end, 'attempts', v_row.attempt) || (p->'failure'))), true);
  return jsonb_build_object('outcome', 'settled', 'agentRunId', v_row.id, 'attempt', v_row.attempt);
end
$$;
