ALTER TABLE "ensemble"."runs" ADD COLUMN "parent_run_id" uuid;--> statement-breakpoint
ALTER TABLE "ensemble"."runs" ADD COLUMN "parent_address" text;--> statement-breakpoint
ALTER TABLE "ensemble"."runs" ADD COLUMN "bounds" jsonb;--> statement-breakpoint
ALTER TABLE "ensemble"."runs" ADD CONSTRAINT "runs_parent_run" FOREIGN KEY ("tenant_id","parent_run_id") REFERENCES "ensemble"."runs"("tenant_id","id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "ensemble"."runs" ADD CONSTRAINT "runs_parent" UNIQUE("tenant_id","parent_run_id","parent_address");--> statement-breakpoint

-- As before, for child runs too: found again by their place in the parent, told of in the parent's story, and not
-- accepted once the parent is over. The child's row is new, so the parent's is the last that is locked here as well.
create or replace function ensemble.create_run(p_tenant uuid, p jsonb) returns jsonb
language plpgsql as $$
declare
  v_id uuid := (p->>'runId')::uuid;
  v_project constant uuid := (p->>'projectId')::uuid;
  v_parent constant uuid := (p->'parent'->>'runId')::uuid;
  v_address constant text := p->'parent'->>'address';
  v_status ensemble.run_status;
  v_hash text;
begin
  perform ensemble.enter_tenant(p_tenant);
  if not exists (select from ensemble.projects where tenant_id = p_tenant and id = v_project) then
    return jsonb_build_object('outcome', 'project-unknown');
  end if;
  if v_parent is not null then
    select status into v_status from ensemble.runs where tenant_id = p_tenant and id = v_parent;
    if not found or ensemble.is_final(v_status) then
      return jsonb_build_object('outcome', 'parent-final');
    end if;
  end if;
  -- Waits for a concurrent insert of the same key to commit; the query below then sees its row.
  insert into ensemble.runs
    (tenant_id, id, project_id, status, task, input, plan, agents, idempotency_key, request_hash,
     parent_run_id, parent_address, bounds)
  values
    (p_tenant, v_id, v_project, 'queued', p->'task', p->'input', p->'plan', p->'agents',
     p->>'idempotencyKey', p->>'requestHash', v_parent, v_address, p->'parent'->'bounds')
  on conflict do nothing;
  if found then
    perform ensemble.append_events(p_tenant, v_id, jsonb_build_array(jsonb_build_object(
      'key', 'run.accepted', 'type', 'run.accepted', 'data', coalesce(p->'accepted', '{}'))));
    if v_parent is not null then
      perform ensemble.append_events(p_tenant, v_parent, (p->'parent'->'events') || jsonb_build_array(
        jsonb_build_object('key', 'run.child-accepted:' || v_address, 'type', 'run.child-accepted',
          'address', v_address, 'data', jsonb_build_object('runId', v_id))), true);
    end if;
    return jsonb_build_object('outcome', 'created', 'runId', v_id, 'status', 'queued');
  end if;

  select id, status, request_hash into strict v_id, v_status, v_hash
    from ensemble.runs
   where tenant_id = p_tenant
     and (idempotency_key = p->>'idempotencyKey' or id = v_id
          or parent_run_id = v_parent and parent_address = v_address)
   order by idempotency_key = p->>'idempotencyKey' desc nulls last
   limit 1;
  if v_hash <> p->>'requestHash' then
    return jsonb_build_object('outcome', 'conflict', 'runId', v_id);
  end if;
  return jsonb_build_object('outcome', 'existing', 'runId', v_id, 'status', v_status);
end
$$;
