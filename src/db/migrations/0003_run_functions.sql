-- Functions called by one autocommit statement each: they run as the caller (row-level security holds), set
-- the tenant for their own transaction, and lock the run's row last. Every one takes (tenant, json) and
-- answers json.

-- Enters a tenant for the rest of the transaction. A transaction that is in another tenant stays there and
-- fails.
create function ensemble.enter_tenant(p_tenant uuid) returns void
language plpgsql as $$
declare
  v_current constant text := nullif(current_setting('app.tenant', true), '');
begin
  if p_tenant is null or (v_current is not null and v_current::uuid <> p_tenant) then
    raise insufficient_privilege using message = 'this transaction belongs to another tenant';
  end if;
  perform set_config('app.tenant', p_tenant::text, true);
end
$$;--> statement-breakpoint

create function ensemble.is_final(p_status ensemble.run_status) returns boolean
language sql immutable as $$
  select p_status in ('completed', 'failed', 'cancelled')
$$;--> statement-breakpoint

-- Appends what is new of `p_events` to the run's story, numbered after its last event without a gap, in the
-- order given; an event whose key is known changes nothing. With `p_begins`, a queued run starts running
-- here. Readers are not notified from here: a transaction that notifies commits alone in its whole database
-- (measured with a 5 ms flush: 90 agent runs per second instead of 738). The process that called does so
-- after the commit. The lock is FOR NO KEY UPDATE: the foreign keys of rows inserted before hold KEY SHARE on
-- the same row, and two of those asking for FOR UPDATE would wait for each other for ever.
create function ensemble.append_events(
  p_tenant uuid, p_run uuid, p_events jsonb, p_begins boolean default false
) returns integer
language plpgsql as $$
declare
  v_status ensemble.run_status;
  v_last bigint;
  v_events jsonb := p_events;
  v_count integer;
begin
  if p_events is null then
    raise null_value_not_allowed using message = 'events must be an array';
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

-- Accepts a run, or finds the one accepted before under the same idempotency key (or the same id).
create function ensemble.create_run(p_tenant uuid, p jsonb) returns jsonb
language plpgsql as $$
declare
  v_id uuid := (p->>'runId')::uuid;
  v_project constant uuid := (p->>'projectId')::uuid;
  v_status ensemble.run_status;
  v_hash text;
begin
  perform ensemble.enter_tenant(p_tenant);
  if not exists (select from ensemble.projects where tenant_id = p_tenant and id = v_project) then
    return jsonb_build_object('outcome', 'project-unknown');
  end if;
  -- Waits for a concurrent insert of the same key to commit; the query below then sees its row.
  insert into ensemble.runs
    (tenant_id, id, project_id, status, task, input, plan, agents, idempotency_key, request_hash)
  values
    (p_tenant, v_id, v_project, 'queued', p->'task', p->'input', p->'plan', p->'agents',
     p->>'idempotencyKey', p->>'requestHash')
  on conflict do nothing;
  if found then
    perform ensemble.append_events(p_tenant, v_id, jsonb_build_array(jsonb_build_object(
      'key', 'run.accepted', 'type', 'run.accepted', 'data', coalesce(p->'accepted', '{}'))));
    return jsonb_build_object('outcome', 'created', 'runId', v_id, 'status', 'queued');
  end if;

  select id, status, request_hash into strict v_id, v_status, v_hash
    from ensemble.runs
   where tenant_id = p_tenant and (idempotency_key = p->>'idempotencyKey' or id = v_id)
   order by idempotency_key = p->>'idempotencyKey' desc nulls last
   limit 1;
  if v_hash <> p->>'requestHash' then
    return jsonb_build_object('outcome', 'conflict', 'runId', v_id);
  end if;
  return jsonb_build_object('outcome', 'existing', 'runId', v_id, 'status', v_status);
end
$$;--> statement-breakpoint

-- For decisions after which no activity starts.
create function ensemble.append_run_events(p_tenant uuid, p jsonb) returns jsonb
language plpgsql as $$
declare
  v_run constant uuid := (p->>'runId')::uuid;
  v_status ensemble.run_status;
begin
  perform ensemble.enter_tenant(p_tenant);
  select status into v_status from ensemble.runs where tenant_id = p_tenant and id = v_run;
  if not found then
    return jsonb_build_object('outcome', 'run-unknown');
  end if;
  -- After the end nothing is told, but telling again what was told before the end is no error.
  if ensemble.is_final(v_status) and exists (
    select from jsonb_array_elements(p->'events') as element (event)
     where not exists (
       select from ensemble.run_events known
        where known.tenant_id = p_tenant and known.run_id = v_run and known.key = element.event->>'key')
  ) then
    return jsonb_build_object('outcome', 'run-final', 'status', v_status);
  end if;
  return jsonb_build_object(
    'outcome', 'appended', 'count', ensemble.append_events(p_tenant, v_run, p->'events', true));
end
$$;--> statement-breakpoint

-- An event of one agent run; its key is unique in the run. (plpgsql: as sql it would not be inlined, and cost
-- 30 us.)
create function ensemble.agent_event(
  p_row ensemble.agent_runs, p_suffix text, p_type text, p_data jsonb
) returns jsonb
language plpgsql immutable as $$
begin
  return jsonb_build_object(
    'key', 'agent:' || p_row.address || ':' || p_suffix, 'type', p_type,
    'address', p_row.address, 'agent', p_row.agent, 'data', p_data);
end
$$;--> statement-breakpoint

-- Ends a run once. Agent runs that still are open are cancelled with it, so that nobody writes after the end.
create function ensemble.finish_run(p_tenant uuid, p jsonb) returns jsonb
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

  perform ensemble.append_events(p_tenant, v_run, (p->'events') || v_left || jsonb_build_array(
    jsonb_build_object('key', 'run.' || v_end, 'type', 'run.' || v_end, 'data',
      jsonb_build_object('usage', p->'usage', 'degraded', p->'degraded') || coalesce(v_failure, '{}'))));
  if exists (
    select from ensemble.agent_runs where tenant_id = p_tenant and run_id = v_run and status = 'running'
  ) then
    -- Opened while this waited for the run's row; its row must be locked before the run's, so once more.
    raise serialization_failure using message = 'an agent run was opened meanwhile';
  end if;

  update ensemble.runs
     set status = v_end, result = nullif(p->'result', 'null'), failure = v_failure, degraded = p->'degraded',
         usage = nullif(p->'usage', 'null'), ended_at = clock_timestamp(), updated_at = clock_timestamp()
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
