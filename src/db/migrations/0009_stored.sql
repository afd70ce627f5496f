CREATE TABLE "ensemble"."agent_definitions" (
	"tenant_id" uuid NOT NULL,
	"name" text NOT NULL,
	"version" integer NOT NULL,
	"definition" jsonb NOT NULL,
	"hash" text NOT NULL,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"retired_at" timestamp with time zone,
	CONSTRAINT "agent_definitions_tenant_id_name_version_pk" PRIMARY KEY("tenant_id","name","version"),
	CONSTRAINT "agent_definitions_version" CHECK ("ensemble"."agent_definitions"."version" > 0),
	CONSTRAINT "agent_definitions_hash" CHECK ("ensemble"."agent_definitions"."hash" ~ '^[0-9a-f]{64}$')
);
--> statement-breakpoint
ALTER TABLE "ensemble"."agent_definitions" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE TABLE "ensemble"."plans" (
	"tenant_id" uuid NOT NULL,
	"project_id" uuid NOT NULL,
	"name" text NOT NULL,
	"version" integer NOT NULL,
	"plan" jsonb NOT NULL,
	"hash" text NOT NULL,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "plans_tenant_id_project_id_name_version_pk" PRIMARY KEY("tenant_id","project_id","name","version"),
	CONSTRAINT "plans_version" CHECK ("ensemble"."plans"."version" > 0),
	CONSTRAINT "plans_hash" CHECK ("ensemble"."plans"."hash" ~ '^[0-9a-f]{64}$')
);
--> statement-breakpoint
ALTER TABLE "ensemble"."plans" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
ALTER TABLE "ensemble"."agent_definitions" ADD CONSTRAINT "agent_definitions_tenant" FOREIGN KEY ("tenant_id") REFERENCES "ensemble"."tenants"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "ensemble"."plans" ADD CONSTRAINT "plans_project" FOREIGN KEY ("tenant_id","project_id") REFERENCES "ensemble"."projects"("tenant_id","id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE POLICY "tenant" ON "ensemble"."agent_definitions" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid) WITH CHECK (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid);--> statement-breakpoint
CREATE POLICY "tenant" ON "ensemble"."plans" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid) WITH CHECK (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid);--> statement-breakpoint

alter table ensemble.agent_definitions force row level security;--> statement-breakpoint
alter table ensemble.plans force row level security;--> statement-breakpoint
-- What a run has pinned stays as it was: a version is never changed, only retired.
grant select, insert on ensemble.agent_definitions, ensemble.plans to ensemble_app;--> statement-breakpoint
grant update (retired_at) on ensemble.agent_definitions to ensemble_app;
