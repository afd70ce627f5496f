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
$$;
