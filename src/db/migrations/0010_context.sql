CREATE TABLE "ensemble"."context_writes" (
	"tenant_id" uuid NOT NULL,
	"agent_run_id" uuid NOT NULL,
	"number" integer NOT NULL,
	"attempt" integer NOT NULL,
	"write" jsonb NOT NULL,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "context_writes_tenant_id_agent_run_id_number_pk" PRIMARY KEY("tenant_id","agent_run_id","number"),
	CONSTRAINT "context_writes_number" CHECK ("ensemble"."context_writes"."number" > 0)
);
--> statement-breakpoint
ALTER TABLE "ensemble"."context_writes" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
ALTER TABLE "ensemble"."context_writes" ADD CONSTRAINT "context_writes_agent_run" FOREIGN KEY ("tenant_id","agent_run_id") REFERENCES "ensemble"."agent_runs"("tenant_id","id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE POLICY "tenant" ON "ensemble"."context_writes" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid) WITH CHECK (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid);--> statement-breakpoint

alter table ensemble.context_writes force row level security;--> statement-breakpoint
-- A write that was written down is made: it is never changed.
grant select, insert on ensemble.context_writes to ensemble_app;--> statement-breakpoint

-- Writes down context writes that are about to be sent, where the attempt holds its agent run: from then on whoever
-- holds it after this one sends them too.
create function ensemble.append_context_writes(p_tenant uuid, p jsonb) returns jsonb
language plpgsql as $$
begin
  perform ensemble.enter_tenant(p_tenant);
  if not ensemble.holds_agent_run(p_tenant, p) then
    return jsonb_build_object('outcome', 'fenced');
  end if;
  insert into ensemble.context_writes (tenant_id, agent_run_id, number, attempt, write)
  select p_tenant, (p->>'agentRunId')::uuid, given.number, (p->>'attempt')::integer, given.write
    from jsonb_to_recordset(p->'writes') as given (number integer, write jsonb)
  on conflict (tenant_id, agent_run_id, number) do nothing;
  return jsonb_build_object('outcome', case when found then 'appended' else 'already' end);
end
$$;--> statement-breakpoint

revoke execute on function ensemble.append_context_writes(uuid, jsonb) from public;--> statement-breakpoint
grant execute on function ensemble.append_context_writes(uuid, jsonb) to ensemble_app;
