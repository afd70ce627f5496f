-- drizzle cannot say FORCE: without it the owner of a table would see every tenant.
alter table ensemble.tenants force row level security;--> statement-breakpoint
alter table ensemble.projects force row level security;--> statement-breakpoint
alter table ensemble.runs force row level security;--> statement-breakpoint
alter table ensemble.agent_runs force row level security;--> statement-breakpoint
alter table ensemble.agent_run_attempts force row level security;--> statement-breakpoint
alter table ensemble.agent_messages force row level security;--> statement-breakpoint
alter table ensemble.run_events force row level security;--> statement-breakpoint
alter table ensemble.blobs force row level security;--> statement-breakpoint
alter table ensemble.agents force row level security;--> statement-breakpoint

-- What the application does, and no more: events, attempts and blobs are never changed, nothing is deleted.
grant usage on schema ensemble to ensemble_app;--> statement-breakpoint
grant select on ensemble.migrations to ensemble_app;--> statement-breakpoint
grant select, insert on ensemble.tenants, ensemble.projects to ensemble_app;--> statement-breakpoint
grant select, insert, update on ensemble.runs, ensemble.agent_runs, ensemble.agent_messages
to ensemble_app;--> statement-breakpoint
grant select, insert on ensemble.run_events, ensemble.agent_run_attempts, ensemble.blobs
to ensemble_app;--> statement-breakpoint
grant select, insert, update on ensemble.agents to ensemble_app;--> statement-breakpoint

-- Both rows change a few times and hold wide values: room on their page keeps the changes out of the indexes.
alter table ensemble.runs set (fillfactor = 70);--> statement-breakpoint
alter table ensemble.agent_runs set (fillfactor = 70);--> statement-breakpoint

-- LOCAL_TENANT_ID and DEFAULT_PROJECT_ID. The setting is needed where the migrating role is no superuser.
select set_config('app.tenant', '01900000-0000-7000-8000-000000000001', true);--> statement-breakpoint
insert into ensemble.tenants (id, name)
values ('01900000-0000-7000-8000-000000000001', 'local');--> statement-breakpoint
insert into ensemble.projects (tenant_id, id, name)
values
  ('01900000-0000-7000-8000-000000000001', '01900000-0000-7000-8000-000000000002', 'default');--> statement-breakpoint
select set_config('app.tenant', '', true);
