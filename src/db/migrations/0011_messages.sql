-- The bus: replaces the draft of agent_messages, which nothing has written to.
DROP POLICY "tenant" ON "ensemble"."agent_messages" CASCADE;--> statement-breakpoint
DROP TABLE "ensemble"."agent_messages" CASCADE;--> statement-breakpoint
DROP TYPE "ensemble"."message_status";--> statement-breakpoint
CREATE TABLE "ensemble"."agent_messages" (
	"tenant_id" uuid NOT NULL,
	"run_id" uuid NOT NULL,
	"seq" bigint NOT NULL,
	"lane" uuid NOT NULL,
	"number" bigint NOT NULL,
	"from_agent" text NOT NULL,
	"to_agent" text,
	"topic" text,
	"broadcast" boolean,
	"capability" text,
	"condition" json,
	"type" text NOT NULL,
	"priority" "ensemble"."message_priority" NOT NULL,
	"correlation_id" text,
	"reply_to" text,
	"content" json,
	"content_ref" json,
	"expires_at" timestamp with time zone,
	"created_at" timestamp with time zone NOT NULL,
	CONSTRAINT "agent_messages_tenant_id_run_id_seq_pk" PRIMARY KEY("tenant_id","run_id","seq"),
	CONSTRAINT "agent_messages_number" UNIQUE("tenant_id","lane","number"),
	CONSTRAINT "agent_messages_seq" CHECK ("ensemble"."agent_messages"."seq" > 0)
);
--> statement-breakpoint
ALTER TABLE "ensemble"."agent_messages" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE TABLE "ensemble"."buses" (
	"tenant_id" uuid NOT NULL,
	"run_id" uuid NOT NULL,
	"last_seq" bigint DEFAULT 0 NOT NULL,
	"first_seq" bigint DEFAULT 1 NOT NULL,
	"last_batch" bigint DEFAULT 0 NOT NULL,
	"last_dead" bigint DEFAULT 0 NOT NULL,
	"settings" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "buses_tenant_id_run_id_pk" PRIMARY KEY("tenant_id","run_id")
);
--> statement-breakpoint
ALTER TABLE "ensemble"."buses" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE TABLE "ensemble"."dead_letters" (
	"tenant_id" uuid NOT NULL,
	"run_id" uuid NOT NULL,
	"no" bigint NOT NULL,
	"reason" text NOT NULL,
	"detail" text NOT NULL,
	"seq" bigint,
	"member" text,
	"publisher" text,
	"content" json,
	"raw" "bytea",
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"redriven_at" timestamp with time zone,
	CONSTRAINT "dead_letters_tenant_id_run_id_no_pk" PRIMARY KEY("tenant_id","run_id","no")
);
--> statement-breakpoint
ALTER TABLE "ensemble"."dead_letters" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE TABLE "ensemble"."deliveries" (
	"tenant_id" uuid NOT NULL,
	"run_id" uuid NOT NULL,
	"member" text NOT NULL,
	"batch" bigint NOT NULL,
	"seqs" bigint[] NOT NULL,
	"pending" bigint[] NOT NULL,
	"expires_at" timestamp with time zone,
	CONSTRAINT "deliveries_tenant_id_run_id_member_batch_pk" PRIMARY KEY("tenant_id","run_id","member","batch")
);
--> statement-breakpoint
ALTER TABLE "ensemble"."deliveries" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE TABLE "ensemble"."mailboxes" (
	"tenant_id" uuid NOT NULL,
	"run_id" uuid NOT NULL,
	"member" text NOT NULL,
	"pending" integer NOT NULL,
	"delivered" bigint NOT NULL,
	"consumed" bigint NOT NULL,
	"blocking" boolean DEFAULT false NOT NULL,
	CONSTRAINT "mailboxes_tenant_id_run_id_member_pk" PRIMARY KEY("tenant_id","run_id","member"),
	CONSTRAINT "mailboxes_pending" CHECK ("ensemble"."mailboxes"."pending" >= 0)
);
--> statement-breakpoint
ALTER TABLE "ensemble"."mailboxes" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE TABLE "ensemble"."publishers" (
	"tenant_id" uuid NOT NULL,
	"run_id" uuid NOT NULL,
	"publisher" text NOT NULL,
	"lane" uuid NOT NULL,
	"sender" text NOT NULL,
	"last" bigint NOT NULL,
	"turn" integer NOT NULL,
	"attempt" integer NOT NULL,
	"turn_from" bigint NOT NULL,
	CONSTRAINT "publishers_tenant_id_run_id_publisher_pk" PRIMARY KEY("tenant_id","run_id","publisher"),
	CONSTRAINT "publishers_lane" UNIQUE("tenant_id","lane")
);
--> statement-breakpoint
ALTER TABLE "ensemble"."publishers" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE TABLE "ensemble"."subscriptions" (
	"tenant_id" uuid NOT NULL,
	"run_id" uuid NOT NULL,
	"member" text NOT NULL,
	"key" text NOT NULL,
	"topic" text,
	"condition" jsonb,
	"active" boolean NOT NULL,
	"seq" bigint NOT NULL,
	CONSTRAINT "subscriptions_tenant_id_run_id_member_key_pk" PRIMARY KEY("tenant_id","run_id","member","key")
);
--> statement-breakpoint
ALTER TABLE "ensemble"."subscriptions" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
ALTER TABLE "ensemble"."agent_messages" ADD CONSTRAINT "agent_messages_bus" FOREIGN KEY ("tenant_id","run_id") REFERENCES "ensemble"."buses"("tenant_id","run_id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "ensemble"."buses" ADD CONSTRAINT "buses_run" FOREIGN KEY ("tenant_id","run_id") REFERENCES "ensemble"."runs"("tenant_id","id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "ensemble"."dead_letters" ADD CONSTRAINT "dead_letters_bus" FOREIGN KEY ("tenant_id","run_id") REFERENCES "ensemble"."buses"("tenant_id","run_id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "ensemble"."deliveries" ADD CONSTRAINT "deliveries_bus" FOREIGN KEY ("tenant_id","run_id") REFERENCES "ensemble"."buses"("tenant_id","run_id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "ensemble"."mailboxes" ADD CONSTRAINT "mailboxes_bus" FOREIGN KEY ("tenant_id","run_id") REFERENCES "ensemble"."buses"("tenant_id","run_id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "ensemble"."publishers" ADD CONSTRAINT "publishers_bus" FOREIGN KEY ("tenant_id","run_id") REFERENCES "ensemble"."buses"("tenant_id","run_id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "ensemble"."subscriptions" ADD CONSTRAINT "subscriptions_bus" FOREIGN KEY ("tenant_id","run_id") REFERENCES "ensemble"."buses"("tenant_id","run_id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "agent_messages_published" ON "ensemble"."agent_messages" USING btree ("tenant_id","run_id","seq") WHERE topic is not null;--> statement-breakpoint
CREATE INDEX "deliveries_pending" ON "ensemble"."deliveries" USING btree ("tenant_id","run_id","member","batch") WHERE pending <> '{}';--> statement-breakpoint
CREATE INDEX "deliveries_expiring" ON "ensemble"."deliveries" USING btree ("tenant_id","run_id","expires_at") WHERE expires_at is not null;--> statement-breakpoint
CREATE POLICY "tenant" ON "ensemble"."agent_messages" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid) WITH CHECK (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid);--> statement-breakpoint
CREATE POLICY "tenant" ON "ensemble"."buses" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid) WITH CHECK (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid);--> statement-breakpoint
CREATE POLICY "tenant" ON "ensemble"."dead_letters" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid) WITH CHECK (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid);--> statement-breakpoint
CREATE POLICY "tenant" ON "ensemble"."deliveries" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid) WITH CHECK (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid);--> statement-breakpoint
CREATE POLICY "tenant" ON "ensemble"."mailboxes" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid) WITH CHECK (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid);--> statement-breakpoint
CREATE POLICY "tenant" ON "ensemble"."publishers" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid) WITH CHECK (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid);--> statement-breakpoint
CREATE POLICY "tenant" ON "ensemble"."subscriptions" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid) WITH CHECK (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid);--> statement-breakpoint

alter table ensemble.buses force row level security;--> statement-breakpoint
alter table ensemble.publishers force row level security;--> statement-breakpoint
alter table ensemble.agent_messages force row level security;--> statement-breakpoint
alter table ensemble.mailboxes force row level security;--> statement-breakpoint
alter table ensemble.deliveries force row level security;--> statement-breakpoint
alter table ensemble.subscriptions force row level security;--> statement-breakpoint
alter table ensemble.dead_letters force row level security;--> statement-breakpoint

-- Messages and deliveries go when their retention is over, dead letters when somebody purges them.
grant select, insert, update on ensemble.buses, ensemble.publishers, ensemble.mailboxes, ensemble.subscriptions
to ensemble_app;--> statement-breakpoint
grant select, insert, delete on ensemble.agent_messages to ensemble_app;--> statement-breakpoint
grant select, insert, update, delete on ensemble.deliveries, ensemble.dead_letters
to ensemble_app;--> statement-breakpoint

-- These rows change with every batch; room on their page keeps the changes out of the indexes.
alter table ensemble.buses set (fillfactor = 50);--> statement-breakpoint
alter table ensemble.publishers set (fillfactor = 50);--> statement-breakpoint
alter table ensemble.mailboxes set (fillfactor = 50);--> statement-breakpoint

-- Whatever routes, sweeps, prunes or redrives holds the bus row, then the mailboxes it changes, then their
-- deliveries; whoever consumes holds one mailbox and then its deliveries.

-- What reads messages or deliveries is planned anew each time: a plan that is kept from when the run was young would
-- read all of it.

-- Takes messages out of a mailbox whose row the caller holds; answers how many were still waiting.
create function ensemble.remove_pending(p_tenant uuid, p_run uuid, p_member text, p_seqs bigint[])
returns integer
language plpgsql set plan_cache_mode = force_custom_plan as $$
declare
  v_removed integer;
begin
  with changed as (
    select d.batch, count(given.seq) as removed,
           coalesce(array_agg(waiting.seq order by waiting.seq) filter (where given.seq is null), '{}') as kept
      from ensemble.deliveries d
     cross join unnest(d.pending) as waiting (seq)
      left join unnest(p_seqs) as given (seq) on given.seq = waiting.seq
     where d.tenant_id = p_tenant and d.run_id = p_run and d.member = p_member and d.pending <> '{}'
     group by d.batch
    having count(given.seq) > 0
  ), updated as (
    update ensemble.deliveries d
       set pending = changed.kept,
           expires_at = case when changed.kept <> '{}' then d.expires_at end
      from changed
     where d.tenant_id = p_tenant and d.run_id = p_run and d.member = p_member and d.batch = changed.batch
  )
  select coalesce(sum(removed), 0) into v_removed from changed;
  update ensemble.mailboxes set pending = pending - v_removed
   where tenant_id = p_tenant and run_id = p_run and member = p_member and v_removed > 0;
  return v_removed;
end
$$;--> statement-breakpoint

-- Numbers dead letters after the last one; the caller holds the bus row.
create function ensemble.bury(p_tenant uuid, p_run uuid, p_letters jsonb) returns void
language plpgsql as $$
declare
  v_last bigint;
begin
  if jsonb_array_length(p_letters) = 0 then
    return;
  end if;
  update ensemble.buses set last_dead = last_dead + jsonb_array_length(p_letters)
   where tenant_id = p_tenant and run_id = p_run
  returning last_dead - jsonb_array_length(p_letters) into v_last;
  insert into ensemble.dead_letters
    (tenant_id, run_id, no, reason, detail, seq, member, publisher, content, raw)
  select p_tenant, p_run, v_last + position, letter->>'reason', letter->>'detail', (letter->>'seq')::bigint,
         letter->>'member', letter->>'publisher', (letter->'content')::json, decode(letter->>'raw', 'base64')
    from jsonb_array_elements(p_letters) with ordinality as element (letter, position);
end
$$;--> statement-breakpoint

-- Buries what has waited longer than it may; the caller holds the bus row.
create function ensemble.bury_expired(p_tenant uuid, p_run uuid) returns integer
language plpgsql set plan_cache_mode = force_custom_plan as $$
declare
  v_now constant timestamptz := clock_timestamp();
  v_member text;
  v_seqs bigint[];
  v_total integer := 0;
begin
  for v_member in
    select distinct member from ensemble.deliveries
     where tenant_id = p_tenant and run_id = p_run and expires_at <= v_now order by 1
  loop
    perform from ensemble.mailboxes
     where tenant_id = p_tenant and run_id = p_run and member = v_member for no key update;
    select coalesce(array_agg(m.seq order by m.seq), '{}') into v_seqs
      from ensemble.deliveries d
     cross join unnest(d.pending) as waiting (seq)
     -- `offset 0`: while a run is young the planner knows nothing of its size, and would join all of it.
     cross join lateral (select * from ensemble.agent_messages
       where tenant_id = p_tenant and run_id = p_run and seq = waiting.seq offset 0) as m
     where d.tenant_id = p_tenant and d.run_id = p_run and d.member = v_member and d.expires_at <= v_now
       and m.expires_at <= v_now;
    v_total := v_total + ensemble.remove_pending(p_tenant, p_run, v_member, v_seqs);
    perform ensemble.bury(p_tenant, p_run, (
      select coalesce(jsonb_agg(jsonb_build_object('reason', 'expired', 'seq', seq, 'member', v_member,
               'detail', 'Not read before its time was over') order by seq), '[]')
        from unnest(v_seqs) as seq));
    update ensemble.deliveries d
       set expires_at = (
         select min(m.expires_at) from ensemble.agent_messages m
          where m.tenant_id = p_tenant and m.run_id = p_run and m.seq = any (d.pending))
     where d.tenant_id = p_tenant and d.run_id = p_run and d.member = v_member and d.expires_at <= v_now;
  end loop;
  return v_total;
end
$$;--> statement-breakpoint

-- Leaves the newest `messages` of the log, and of those the ones younger than `ageMs`; what of the others
-- nobody has read is buried with its content. The caller holds the bus row.
create function ensemble.prune_bus(p_tenant uuid, p_run uuid, p_retention jsonb) returns void
language plpgsql set plan_cache_mode = force_custom_plan as $$
declare
  v_first bigint;
  v_last bigint;
  v_cut bigint;
  v_member text;
  v_seqs bigint[];
begin
  select first_seq, last_seq into strict v_first, v_last
    from ensemble.buses where tenant_id = p_tenant and run_id = p_run;
  v_cut := coalesce(v_last - (p_retention->>'messages')::bigint, 0);
  if p_retention ? 'ageMs' then
    v_cut := greatest(v_cut, coalesce((
      select max(seq) from ensemble.agent_messages
       where tenant_id = p_tenant and run_id = p_run
         and created_at < clock_timestamp() - make_interval(secs => (p_retention->>'ageMs')::float8 / 1000)
    ), 0));
  end if;
  if v_cut < v_first then
    return;
  end if;
  for v_member in
    select distinct member from ensemble.deliveries
     where tenant_id = p_tenant and run_id = p_run and pending <> '{}' order by 1
  loop
    perform from ensemble.mailboxes
     where tenant_id = p_tenant and run_id = p_run and member = v_member for no key update;
    select coalesce(array_agg(waiting.seq), '{}') into v_seqs
      from ensemble.deliveries d cross join unnest(d.pending) as waiting (seq)
     where d.tenant_id = p_tenant and d.run_id = p_run and d.member = v_member and waiting.seq <= v_cut;
    perform ensemble.remove_pending(p_tenant, p_run, v_member, v_seqs);
    perform ensemble.bury(p_tenant, p_run, (
      select coalesce(jsonb_agg(jsonb_build_object('reason', 'retention', 'seq', m.seq, 'member', v_member,
               'detail', 'Not read before the log let go of it', 'content', coalesce(m.content, m.content_ref))
               order by m.seq), '[]')
        from ensemble.agent_messages m
       where m.tenant_id = p_tenant and m.run_id = p_run and m.seq = any (v_seqs)));
  end loop;
  delete from ensemble.deliveries
   where tenant_id = p_tenant and run_id = p_run and pending = '{}'
     and v_cut >= (select max(seq) from unnest(seqs) as seq);
  delete from ensemble.agent_messages where tenant_id = p_tenant and run_id = p_run and seq <= v_cut;
  update ensemble.buses set first_seq = v_cut + 1 where tenant_id = p_tenant and run_id = p_run;
end
$$;--> statement-breakpoint

-- Takes the bus row of a run for the rest of the transaction, and answers how the bus stands.
create function ensemble.open_bus(p_tenant uuid, p jsonb) returns jsonb
language plpgsql as $$
declare
  v_run constant uuid := (p->>'runId')::uuid;
  v_status ensemble.run_status;
  v_agents jsonb;
  v_bus ensemble.buses;
begin
  perform ensemble.enter_tenant(p_tenant);
  select status, agents into v_status, v_agents
    from ensemble.runs where tenant_id = p_tenant and id = v_run;
  if not found then
    return jsonb_build_object('outcome', 'run-unknown');
  end if;
  insert into ensemble.buses (tenant_id, run_id) values (p_tenant, v_run) on conflict do nothing;
  select * into strict v_bus
    from ensemble.buses where tenant_id = p_tenant and run_id = v_run for no key update;
  if ensemble.bury_expired(p_tenant, v_run) > 0 then
    select * into strict v_bus from ensemble.buses where tenant_id = p_tenant and run_id = v_run;
  end if;
  return jsonb_build_object(
    'outcome', 'open',
    'final', ensemble.is_final(v_status),
    'nowMs', floor(extract(epoch from clock_timestamp()) * 1000),
    'lastSeq', v_bus.last_seq,
    'lastBatch', v_bus.last_batch,
    'settings', v_bus.settings,
    'members', v_agents,
    'publishers', (
      select coalesce(jsonb_agg(to_jsonb(known) - 'tenant_id' - 'run_id'), '[]')
        from ensemble.publishers known
       where tenant_id = p_tenant and run_id = v_run
         and publisher in (select jsonb_array_elements_text(p->'publishers'))),
    'agentRuns', (
      select coalesce(jsonb_agg(jsonb_build_object('id', id, 'agent', agent, 'status', status,
               'attempt', attempt, 'tokenHash', token_hash)), '[]')
        from ensemble.agent_runs
       where tenant_id = p_tenant and run_id = v_run
         and id in (select element::uuid from jsonb_array_elements_text(p->'agentRuns') as element)),
    'subscriptions', (
      select coalesce(jsonb_agg(jsonb_build_object('member', member, 'topic', topic, 'where', condition)
               order by seq), '[]')
        from ensemble.subscriptions where tenant_id = p_tenant and run_id = v_run and active),
    'pending', (
      select coalesce(jsonb_object_agg(member, pending), '{}')
        from ensemble.mailboxes where tenant_id = p_tenant and run_id = v_run),
    'busy', case when (p->>'busy')::boolean then (
      select coalesce(jsonb_object_agg(agent, count), '{}') from (
        select agent, count(*) from ensemble.agent_runs
         where tenant_id = p_tenant and run_id = v_run and status = 'running' group by agent) as running)
      else '{}' end);
end
$$;--> statement-breakpoint

-- Writes what was decided in one call, the messages as text: jsonb would be made of every body and undone again.
create function ensemble.write_bus(p_tenant uuid, p jsonb, p_messages json) returns void
language plpgsql as $$
declare
  v_run constant uuid := (p->>'runId')::uuid;
  -- As the messages' expiries were counted from.
  v_now constant timestamptz := to_timestamp((p->>'nowMs')::float8 / 1000);
  v_batch bigint;
  v_gone record;
begin
  update ensemble.buses set last_seq = (p->>'lastSeq')::bigint, last_batch = last_batch + 1
   where tenant_id = p_tenant and run_id = v_run
  returning last_batch into v_batch;

  insert into ensemble.publishers as known
    (tenant_id, run_id, publisher, lane, sender, last, turn, attempt, turn_from)
  select p_tenant, v_run, given.*
    from jsonb_to_recordset(p->'publishers') as given
      (publisher text, lane uuid, sender text, last bigint, turn integer, attempt integer, turn_from bigint)
  on conflict (tenant_id, run_id, publisher) do update
    set last = excluded.last, turn = excluded.turn, attempt = excluded.attempt,
        turn_from = excluded.turn_from;

  insert into ensemble.agent_messages
    (tenant_id, run_id, seq, lane, number, from_agent, to_agent, topic, broadcast, capability, condition, type,
     priority, correlation_id, reply_to, content, content_ref, expires_at, created_at)
  select p_tenant, v_run, seq, lane, number, "from", "to", topic, broadcast, capability, "where", type, priority,
         correlation, reply, content, ref, to_timestamp(expires / 1000.0), v_now
    from json_to_recordset(p_messages) as given
      (seq bigint, lane uuid, number bigint, "from" text, "to" text, topic text, broadcast boolean,
       capability text, "where" json, type text, priority ensemble.message_priority, correlation text,
       reply text, content json, ref json, expires bigint);

  insert into ensemble.mailboxes as known (tenant_id, run_id, member, pending, delivered, consumed, blocking)
  select p_tenant, v_run, given.member, cardinality(given.seqs), cardinality(given.seqs), 0, given.blocking
    from jsonb_to_recordset(p->'deliveries') as given (member text, seqs bigint[], blocking boolean)
   order by given.member
  on conflict (tenant_id, run_id, member) do update
    set pending = known.pending + excluded.pending, delivered = known.delivered + excluded.delivered,
        blocking = known.blocking or excluded.blocking;

  for v_gone in
    select given.member, given.evicted
      from jsonb_to_recordset(p->'deliveries') as given (member text, evicted bigint[])
     where given.evicted <> '{}' order by 1
  loop
    perform ensemble.remove_pending(p_tenant, v_run, v_gone.member, v_gone.evicted);
  end loop;

  insert into ensemble.deliveries (tenant_id, run_id, member, batch, seqs, pending, expires_at)
  select p_tenant, v_run, given.member, v_batch, given.seqs, given.seqs,
         to_timestamp(given.expires_at_ms / 1000.0)
    from jsonb_to_recordset(p->'deliveries') as given (member text, seqs bigint[], expires_at_ms bigint)
   where given.seqs <> '{}';

  perform ensemble.bury(p_tenant, v_run, p->'dead');

  insert into ensemble.subscriptions as known (tenant_id, run_id, member, key, topic, condition, active, seq)
  select p_tenant, v_run, given.*
    from jsonb_to_recordset(p->'subscriptions') as given
      (member text, key text, topic text, condition jsonb, active boolean, seq bigint)
  on conflict (tenant_id, run_id, member, key) do update
    set active = excluded.active, seq = excluded.seq;

  if p ? 'retention' then
    perform ensemble.prune_bus(p_tenant, v_run, p->'retention');
  end if;
end
$$;--> statement-breakpoint

-- Marks messages as read, once, in one statement or as a part of another function's. An attempt proves with its
-- token that it still holds its agent run.
create function ensemble.consume_messages(p_tenant uuid, p jsonb) returns jsonb
language plpgsql as $$
declare
  v_run constant uuid := (p->>'runId')::uuid;
  v_member constant text := p->>'member';
  v_blocking boolean;
  v_count integer;
begin
  perform ensemble.enter_tenant(p_tenant);
  if p ? 'agentRunId' and not exists (
    select from ensemble.agent_runs
     where tenant_id = p_tenant and id = (p->>'agentRunId')::uuid and run_id = v_run and agent = v_member
       and status = 'running' and attempt = (p->>'attempt')::integer and token_hash = p->>'tokenHash'
       for share
  ) then
    return jsonb_build_object('outcome', 'fenced');
  end if;
  select blocking into v_blocking from ensemble.mailboxes
   where tenant_id = p_tenant and run_id = v_run and member = v_member for no key update;
  if not found then
    return jsonb_build_object('outcome', 'consumed', 'count', 0, 'freed', false);
  end if;
  v_count := ensemble.remove_pending(p_tenant, v_run, v_member, (
    select array_agg(element::bigint) from jsonb_array_elements_text(p->'seqs') as element));
  update ensemble.mailboxes set consumed = consumed + v_count, blocking = v_blocking and v_count = 0
   where tenant_id = p_tenant and run_id = v_run and member = v_member;
  return jsonb_build_object('outcome', 'consumed', 'count', v_count, 'freed', v_blocking and v_count > 0);
end
$$;--> statement-breakpoint

-- Closes an agent run, and marks what its turn has read: both or neither.
create function ensemble.close_agent_run_with_reading(p_tenant uuid, p jsonb) returns jsonb
language plpgsql as $$
begin
  -- What a fenced attempt has read stays unread; the closing says what became of its row.
  perform ensemble.consume_messages(p_tenant, p || jsonb_build_object('seqs', p->'read'));
  return ensemble.close_agent_run(p_tenant, p - 'read' - 'member');
end
$$;--> statement-breakpoint

-- Ends a run that has no bus: what was sent is to be in the log before the end. In one call with the end itself, since
-- every run pays for it.
create function ensemble.finish_silent_run(p_tenant uuid, p jsonb) returns jsonb
language plpgsql as $$
begin
  perform ensemble.enter_tenant(p_tenant);
  if exists (select from ensemble.buses where tenant_id = p_tenant and run_id = (p->>'runId')::uuid) then
    return jsonb_build_object('outcome', 'bus-open');
  end if;
  return ensemble.finish_run(p_tenant, p);
end
$$;--> statement-breakpoint

-- Delivers dead letters once more, each to whom it was for or to `to`, whatever the mailbox's limit.
create function ensemble.redrive_messages(p_tenant uuid, p jsonb) returns jsonb
language plpgsql as $$
declare
  v_run constant uuid := (p->>'runId')::uuid;
  v_status ensemble.run_status;
  v_agents jsonb;
  v_letter ensemble.dead_letters;
  v_member text;
  v_batch bigint;
  v_done integer := 0;
begin
  perform ensemble.enter_tenant(p_tenant);
  select status, agents into v_status, v_agents
    from ensemble.runs where tenant_id = p_tenant and id = v_run;
  if not found then
    return jsonb_build_object('outcome', 'run-unknown');
  elsif ensemble.is_final(v_status) then
    return jsonb_build_object('outcome', 'run-final', 'status', v_status);
  end if;
  perform from ensemble.buses where tenant_id = p_tenant and run_id = v_run for no key update;
  for v_letter in
    select * from ensemble.dead_letters letter
     where tenant_id = p_tenant and run_id = v_run and redriven_at is null
       and no in (select element::bigint from jsonb_array_elements_text(p->'nos') as element)
       and exists (select from ensemble.agent_messages m
                    where m.tenant_id = p_tenant and m.run_id = v_run and m.seq = letter.seq)
     order by no
  loop
    v_member := coalesce(p->>'to', v_letter.member);
    continue when not exists (select from jsonb_array_elements(v_agents) as a where a->>'name' = v_member);
    insert into ensemble.mailboxes as known (tenant_id, run_id, member, pending, delivered, consumed)
    values (p_tenant, v_run, v_member, 1, 1, 0)
    on conflict (tenant_id, run_id, member) do update
      set pending = known.pending + 1, delivered = known.delivered + 1;
    update ensemble.buses set last_batch = last_batch + 1
     where tenant_id = p_tenant and run_id = v_run returning last_batch into v_batch;
    insert into ensemble.deliveries (tenant_id, run_id, member, batch, seqs, pending)
    values (p_tenant, v_run, v_member, v_batch, array[v_letter.seq], array[v_letter.seq]);
    update ensemble.dead_letters set redriven_at = clock_timestamp()
     where tenant_id = p_tenant and run_id = v_run and no = v_letter.no;
    v_done := v_done + 1;
  end loop;
  return jsonb_build_object('outcome', 'redriven', 'count', v_done);
end
$$;--> statement-breakpoint

revoke execute on all functions in schema ensemble from public;--> statement-breakpoint
grant execute on all functions in schema ensemble to ensemble_app;
