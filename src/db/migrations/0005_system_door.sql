CREATE TABLE "ensemble"."audit_log" (
	"id" uuid PRIMARY KEY NOT NULL,
	"tenant_id" uuid,
	"purpose" text NOT NULL,
	"actor" text NOT NULL,
	"detail" jsonb NOT NULL,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);
--> statement-breakpoint
ALTER TABLE "ensemble"."audit_log" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE TABLE "ensemble"."system_jobs" (
	"purpose" text PRIMARY KEY NOT NULL,
	"position" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"taken_at" timestamp with time zone
);
--> statement-breakpoint
ALTER TABLE "ensemble"."system_jobs" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE INDEX "audit_log_by_tenant" ON "ensemble"."audit_log" USING btree ("tenant_id","id");--> statement-breakpoint
CREATE POLICY "unfinished" ON "ensemble"."runs" AS PERMISSIVE FOR SELECT TO "ensemble_app" USING (status in ('queued', 'running') and (nullif(current_setting('app.tenant', true), '')::uuid is null and current_setting('app.system', true) = 'reconcile'));--> statement-breakpoint
CREATE POLICY "read" ON "ensemble"."audit_log" AS PERMISSIVE FOR SELECT TO "ensemble_app" USING (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid or (nullif(current_setting('app.tenant', true), '')::uuid is null and current_setting('app.system', true) = purpose));--> statement-breakpoint
CREATE POLICY "append" ON "ensemble"."audit_log" AS PERMISSIVE FOR INSERT TO "ensemble_app" WITH CHECK (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid or (nullif(current_setting('app.tenant', true), '')::uuid is null and current_setting('app.system', true) = purpose));--> statement-breakpoint
CREATE POLICY "system" ON "ensemble"."system_jobs" AS PERMISSIVE FOR ALL TO "ensemble_app" USING ((nullif(current_setting('app.tenant', true), '')::uuid is null and current_setting('app.system', true) = purpose)) WITH CHECK ((nullif(current_setting('app.tenant', true), '')::uuid is null and current_setting('app.system', true) = purpose));--> statement-breakpoint

-- Before FORCE: the migrating role owns the table, and no policy speaks of it.
insert into ensemble.system_jobs (purpose) values ('reconcile');--> statement-breakpoint

alter table ensemble.audit_log force row level security;--> statement-breakpoint
alter table ensemble.system_jobs force row level security;--> statement-breakpoint
grant select, insert on ensemble.audit_log to ensemble_app;--> statement-breakpoint
grant select, update on ensemble.system_jobs to ensemble_app;
