CREATE SCHEMA IF NOT EXISTS "ensemble";
--> statement-breakpoint
CREATE TYPE "ensemble"."agent_run_status" AS ENUM('running', 'completed', 'failed', 'cancelled');--> statement-breakpoint
CREATE TYPE "ensemble"."message_priority" AS ENUM('low', 'normal', 'high', 'urgent');--> statement-breakpoint
CREATE TYPE "ensemble"."message_status" AS ENUM('accepted', 'delivered', 'dead-lettered');--> statement-breakpoint
CREATE TYPE "ensemble"."run_status" AS ENUM('queued', 'running', 'completed', 'failed', 'cancelled');--> statement-breakpoint
CREATE TABLE "ensemble"."agent_messages" (
	"tenant_id" uuid NOT NULL,
	"id" uuid NOT NULL,
	"run_id" uuid NOT NULL,
	"from_agent" text NOT NULL,
	"to_agent" text,
	"topic" text,
	"broadcast" boolean DEFAULT false NOT NULL,
	"type" text NOT NULL,
	"priority" "ensemble"."message_priority" DEFAULT 'normal' NOT NULL,
	"correlation_id" text,
	"reply_to" text,
	"content" jsonb,
	"content_ref" jsonb,
	"status" "ensemble"."message_status" DEFAULT 'accepted' NOT NULL,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "agent_messages_tenant_id_id_pk" PRIMARY KEY("tenant_id","id"),
	CONSTRAINT "agent_messages_target" CHECK (num_nonnulls("ensemble"."agent_messages"."to_agent", "ensemble"."agent_messages"."topic", nullif("ensemble"."agent_messages"."broadcast", false)) = 1),
	CONSTRAINT "agent_messages_content" CHECK (num_nonnulls("ensemble"."agent_messages"."content", "ensemble"."agent_messages"."content_ref") = 1)
);
--> statement-breakpoint
ALTER TABLE "ensemble"."agent_messages" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE TABLE "ensemble"."agent_run_attempts" (
	"tenant_id" uuid NOT NULL,
	"agent_run_id" uuid NOT NULL,
	"attempt" integer NOT NULL,
	"failure" jsonb NOT NULL,
	"will_retry" boolean NOT NULL,
	"worker" text,
	"started_at" timestamp with time zone,
	"ended_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "agent_run_attempts_tenant_id_agent_run_id_attempt_pk" PRIMARY KEY("tenant_id","agent_run_id","attempt")
);
--> statement-breakpoint
ALTER TABLE "ensemble"."agent_run_attempts" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE TABLE "ensemble"."agent_runs" (
	"tenant_id" uuid NOT NULL,
	"id" uuid NOT NULL,
	"run_id" uuid NOT NULL,
	"address" text NOT NULL,
	"agent" text NOT NULL,
	"version" text NOT NULL,
	"status" "ensemble"."agent_run_status" NOT NULL,
	"attempt" integer NOT NULL,
	"scheduled_at_ms" bigint NOT NULL,
	"activity_attempt" integer NOT NULL,
	"token_hash" text,
	"worker" text,
	"started_at" timestamp with time zone,
	"attempt_started_at" timestamp with time zone,
	"ended_at" timestamp with time zone,
	"result" jsonb,
	"failure" jsonb,
	"usage" jsonb,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "agent_runs_tenant_id_id_pk" PRIMARY KEY("tenant_id","id"),
	CONSTRAINT "agent_runs_address" UNIQUE("tenant_id","run_id","address"),
	CONSTRAINT "agent_runs_result" CHECK (("ensemble"."agent_runs"."status" = 'completed') = ("ensemble"."agent_runs"."result" is not null)),
	CONSTRAINT "agent_runs_ended" CHECK (("ensemble"."agent_runs"."status" <> 'running') = ("ensemble"."agent_runs"."ended_at" is not null))
);
--> statement-breakpoint
ALTER TABLE "ensemble"."agent_runs" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE TABLE "ensemble"."run_events" (
	"tenant_id" uuid NOT NULL,
	"run_id" uuid NOT NULL,
	"seq" bigint NOT NULL,
	"key" text NOT NULL,
	"type" text NOT NULL,
	"address" text,
	"agent" text,
	"data" jsonb NOT NULL,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "run_events_tenant_id_run_id_seq_pk" PRIMARY KEY("tenant_id","run_id","seq"),
	CONSTRAINT "run_events_key" UNIQUE("tenant_id","run_id","key"),
	CONSTRAINT "run_events_seq" CHECK ("ensemble"."run_events"."seq" > 0)
);
--> statement-breakpoint
ALTER TABLE "ensemble"."run_events" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE TABLE "ensemble"."runs" (
	"tenant_id" uuid NOT NULL,
	"id" uuid NOT NULL,
	"project_id" uuid NOT NULL,
	"status" "ensemble"."run_status" NOT NULL,
	"task" jsonb NOT NULL,
	"input" jsonb NOT NULL,
	"plan" jsonb NOT NULL,
	"agents" jsonb NOT NULL,
	"idempotency_key" text,
	"request_hash" text NOT NULL,
	"result" jsonb,
	"failure" jsonb,
	"degraded" jsonb DEFAULT '[]'::jsonb NOT NULL,
	"usage" jsonb,
	"last_event_seq" bigint DEFAULT 0 NOT NULL,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"started_at" timestamp with time zone,
	"ended_at" timestamp with time zone,
	"updated_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "runs_tenant_id_id_pk" PRIMARY KEY("tenant_id","id"),
	CONSTRAINT "runs_idempotency_key" UNIQUE("tenant_id","idempotency_key"),
	CONSTRAINT "runs_ended" CHECK (("ensemble"."runs"."status" in ('completed', 'failed', 'cancelled')) = ("ensemble"."runs"."ended_at" is not null))
);
--> statement-breakpoint
ALTER TABLE "ensemble"."runs" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE TABLE "ensemble"."agents" (
	"name" text NOT NULL,
	"version" text NOT NULL,
	"agent_type" text NOT NULL,
	"capabilities" text[] NOT NULL,
	"manifest" jsonb NOT NULL,
	"last_seen_at" timestamp with time zone NOT NULL,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "agents_name_version_pk" PRIMARY KEY("name","version")
);
--> statement-breakpoint
ALTER TABLE "ensemble"."agents" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE TABLE "ensemble"."blobs" (
	"tenant_id" uuid NOT NULL,
	"sha256" text NOT NULL,
	"media_type" text NOT NULL,
	"bytes" integer NOT NULL,
	"data" "bytea" NOT NULL,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "blobs_tenant_id_sha256_pk" PRIMARY KEY("tenant_id","sha256"),
	CONSTRAINT "blobs_sha256" CHECK ("ensemble"."blobs"."sha256" ~ '^[0-9a-f]{64}$'),
	CONSTRAINT "blobs_bytes" CHECK ("ensemble"."blobs"."bytes" = octet_length("ensemble"."blobs"."data"))
);
--> statement-breakpoint
ALTER TABLE "ensemble"."blobs" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE TABLE "ensemble"."projects" (
	"tenant_id" uuid NOT NULL,
	"id" uuid NOT NULL,
	"name" text NOT NULL,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "projects_tenant_id_id_pk" PRIMARY KEY("tenant_id","id")
);
--> statement-breakpoint
ALTER TABLE "ensemble"."projects" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE TABLE "ensemble"."tenants" (
	"id" uuid PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);
--> statement-breakpoint
ALTER TABLE "ensemble"."tenants" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
ALTER TABLE "ensemble"."agent_messages" ADD CONSTRAINT "agent_messages_run" FOREIGN KEY ("tenant_id","run_id") REFERENCES "ensemble"."runs"("tenant_id","id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "ensemble"."agent_run_attempts" ADD CONSTRAINT "agent_run_attempts_agent_run" FOREIGN KEY ("tenant_id","agent_run_id") REFERENCES "ensemble"."agent_runs"("tenant_id","id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "ensemble"."agent_runs" ADD CONSTRAINT "agent_runs_run" FOREIGN KEY ("tenant_id","run_id") REFERENCES "ensemble"."runs"("tenant_id","id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "ensemble"."run_events" ADD CONSTRAINT "run_events_run" FOREIGN KEY ("tenant_id","run_id") REFERENCES "ensemble"."runs"("tenant_id","id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "ensemble"."runs" ADD CONSTRAINT "runs_project" FOREIGN KEY ("tenant_id","project_id") REFERENCES "ensemble"."projects"("tenant_id","id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "ensemble"."blobs" ADD CONSTRAINT "blobs_tenant" FOREIGN KEY ("tenant_id") REFERENCES "ensemble"."tenants"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "ensemble"."projects" ADD CONSTRAINT "projects_tenant" FOREIGN KEY ("tenant_id") REFERENCES "ensemble"."tenants"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "agent_messages_by_run" ON "ensemble"."agent_messages" USING btree ("tenant_id","run_id","id");--> statement-breakpoint
CREATE INDEX "runs_by_project" ON "ensemble"."runs" USING btree ("tenant_id","project_id","id");--> statement-breakpoint
CREATE INDEX "runs_unfinished" ON "ensemble"."runs" USING btree ("tenant_id","created_at") WHERE status in ('queued', 'running');--> statement-breakpoint
CREATE POLICY "tenant" ON "ensemble"."agent_messages" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid) WITH CHECK (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid);--> statement-breakpoint
CREATE POLICY "tenant" ON "ensemble"."agent_run_attempts" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid) WITH CHECK (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid);--> statement-breakpoint
CREATE POLICY "tenant" ON "ensemble"."agent_runs" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid) WITH CHECK (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid);--> statement-breakpoint
CREATE POLICY "tenant" ON "ensemble"."run_events" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid) WITH CHECK (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid);--> statement-breakpoint
CREATE POLICY "tenant" ON "ensemble"."runs" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid) WITH CHECK (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid);--> statement-breakpoint
CREATE POLICY "platform" ON "ensemble"."agents" AS PERMISSIVE FOR ALL TO "ensemble_app" USING (true) WITH CHECK (true);--> statement-breakpoint
CREATE POLICY "tenant" ON "ensemble"."blobs" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid) WITH CHECK (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid);--> statement-breakpoint
CREATE POLICY "tenant" ON "ensemble"."projects" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid) WITH CHECK (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid);--> statement-breakpoint
CREATE POLICY "tenant" ON "ensemble"."tenants" AS PERMISSIVE FOR ALL TO public USING (id = nullif(current_setting('app.tenant', true), '')::uuid) WITH CHECK (id = nullif(current_setting('app.tenant', true), '')::uuid);