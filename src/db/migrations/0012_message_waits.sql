CREATE TABLE "ensemble"."message_waits" (
	"tenant_id" uuid NOT NULL,
	"run_id" uuid NOT NULL,
	"address" text NOT NULL,
	"wanted" jsonb NOT NULL,
	"after" bigint NOT NULL,
	"found" bigint,
	"until" timestamp with time zone NOT NULL,
	CONSTRAINT "message_waits_tenant_id_run_id_address_pk" PRIMARY KEY("tenant_id","run_id","address")
);
--> statement-breakpoint
ALTER TABLE "ensemble"."message_waits" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
ALTER TABLE "ensemble"."message_waits" ADD CONSTRAINT "message_waits_bus" FOREIGN KEY ("tenant_id","run_id") REFERENCES "ensemble"."buses"("tenant_id","run_id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE POLICY "tenant" ON "ensemble"."message_waits" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid) WITH CHECK (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid);--> statement-breakpoint

alter table ensemble.message_waits force row level security;--> statement-breakpoint
grant select, insert, update, delete on ensemble.message_waits to ensemble_app;--> statement-breakpoint

-- As open_bus, with the steps that wait for a message. These are read by a statement of their own: it sees whoever
-- registered before the bus row was had.
create function ensemble.open_bus_to_route(p_tenant uuid, p jsonb) returns jsonb
language plpgsql as $$
declare
  v_bus constant jsonb := ensemble.open_bus(p_tenant, p);
begin
  return v_bus || jsonb_build_object('waits', (
    select coalesce(jsonb_agg(jsonb_build_object('address', address, 'wanted', wanted, 'found', waits.found)
             order by address), '[]')
      from ensemble.message_waits waits
     where tenant_id = p_tenant and run_id = (p->>'runId')::uuid and until > clock_timestamp()));
end
$$;--> statement-breakpoint

revoke execute on function ensemble.open_bus_to_route(uuid, jsonb) from public;--> statement-breakpoint
grant execute on function ensemble.open_bus_to_route(uuid, jsonb) to ensemble_app;
