import { useDatabase } from './support/database';

/** Tables that hold no tenant's rows, each with the reason. */
const WITHOUT_TENANT = {
  agents: 'describes code, which is the platform’s',
  migrations: 'which migrations were applied',
  system_jobs: 'whose turn it is among the platform’s own processes',
  tenants: 'its own id is the tenant',
};

const CURRENT_TENANT = "NULLIF(current_setting('app.tenant'::text, true), ''::text))::uuid";
const openedFor = (purpose: string) =>
  `(((${CURRENT_TENANT} IS NULL) AND (current_setting('app.system'::text, true) = ${purpose}))`;

/** Rules beside, or instead of, that of a table's tenant: which command, and what is read and written by it. */
const OTHER_RULES: Readonly<Record<string, readonly Policy[]>> = {
  agents: [{ command: '*', using: 'true', check: 'true' }],
  // One row may be nobody's, and a tenant reads what was done to its own.
  audit_log: [
    { command: 'a', using: null, check: `((tenant_id = (${CURRENT_TENANT}) OR ${openedFor('purpose')})` },
    { command: 'r', using: `((tenant_id = (${CURRENT_TENANT}) OR ${openedFor('purpose')})`, check: null },
  ],
  // What the reconciler looks at, and nothing that it writes.
  runs: [
    {
      command: 'r',
      using: `((status = ANY (ARRAY['queued'::ensemble.run_status, 'running'::ensemble.run_status])) AND ${openedFor("'reconcile'::text")})`,
      check: null,
    },
  ],
  system_jobs: [{ command: '*', using: openedFor('purpose'), check: openedFor('purpose') }],
  // Which runs have streamed, and nothing of what they said.
  token_streams: [{ command: 'r', using: openedFor("'expire-tokens'::text"), check: null }],
};
const WITHOUT_TENANT_RULE = ['agents', 'audit_log', 'system_jobs'];

interface Policy {
  command: string;
  using: string | null;
  check: string | null;
}

describe('the catalogue of PostgreSQL', () => {
  const database = useDatabase();

  interface TableRow {
    name: string;
    enabled: boolean;
    forced: boolean;
    has_tenant: boolean;
    tenant_required: boolean;
    policies: Policy[];
  }

  const tables = async (): Promise<TableRow[]> =>
    (
      await database.admin.query<TableRow>(`
        select c.relname as name, c.relrowsecurity as enabled, c.relforcerowsecurity as forced,
          exists (select from pg_attribute where attrelid = c.oid and attname = 'tenant_id') as has_tenant,
          exists (select from pg_attribute where attrelid = c.oid and attname = 'tenant_id' and attnotnull) as tenant_required,
          coalesce((select jsonb_agg(jsonb_build_object('command', polcmd::text,
            'using', pg_get_expr(polqual, polrelid), 'check', pg_get_expr(polwithcheck, polrelid))
            order by polcmd) from pg_policy where polrelid = c.oid), '[]') as policies
        from pg_class c where c.relnamespace = 'ensemble'::regnamespace and c.relkind in ('r', 'p') order by 1`)
    ).rows;

  test('every table holds a tenant’s rows, but for those named here', async () => {
    const rows = await tables();
    expect(rows.length).toBeGreaterThan(8);
    expect(rows.filter((row) => !row.has_tenant).map((row) => row.name)).toEqual(Object.keys(WITHOUT_TENANT));
    const optional = rows.filter((row) => row.has_tenant && !row.tenant_required);
    expect(optional.map((row) => row.name)).toEqual(['audit_log']);
  });

  test('row-level security is enabled and forced, with a policy for reading and one for writing', async () => {
    const guarded = (await tables()).filter((row) => row.name !== 'migrations');
    expect(guarded.filter((row) => !row.enabled || !row.forced)).toEqual([]);
    for (const { name, policies, has_tenant } of guarded) {
      const rule = `(${has_tenant ? 'tenant_id' : 'id'} = (${CURRENT_TENANT})`;
      const own = WITHOUT_TENANT_RULE.includes(name) ? [] : [{ command: '*', using: rule, check: rule }];
      expect({ name, policies }).toEqual({ name, policies: [...own, ...(OTHER_RULES[name] ?? [])] });
    }
  });

  test('every key of a tenant table starts with the tenant', async () => {
    const { rows } = await database.admin.query<{ name: string }>(`
      select conrelid::regclass || ' ' || conname as name from pg_constraint
       where connamespace = 'ensemble'::regnamespace and contype in ('p', 'u', 'f')
         and (select attname from pg_attribute where attrelid = conrelid and attnum = conkey[1]) <> 'tenant_id'
       order by 1`);
    expect(rows.map((row) => row.name)).toEqual([
      'ensemble.agents agents_name_version_pk',
      'ensemble.audit_log audit_log_pkey',
      'ensemble.migrations migrations_pkey',
      'ensemble.system_jobs system_jobs_pkey',
      'ensemble.tenants tenants_pkey',
    ]);
  });

  test('no function runs with its owner’s rights, and no view reads with them', async () => {
    const definers = await database.admin.query(
      "select proname from pg_proc where pronamespace = 'ensemble'::regnamespace and prosecdef",
    );
    const views = await database.admin.query(`
      select relname from pg_class where relnamespace = 'ensemble'::regnamespace and relkind in ('v', 'm')
        and not coalesce(reloptions @> array['security_invoker=true'], false)`);
    expect([definers.rows, views.rows]).toEqual([[], []]);
  });

  test('nobody but the application’s group may call a function or touch a table', async () => {
    const { rows } = await database.admin.query(`
      select 'table' as kind, relname::text as name from pg_class, aclexplode(relacl)
       where relnamespace = 'ensemble'::regnamespace and grantee = 0
      union all
      select 'function', proname from pg_proc, aclexplode(coalesce(proacl, acldefault('f', proowner)))
       where pronamespace = 'ensemble'::regnamespace and grantee = 0`);
    expect(rows).toEqual([]);
  });

  test('the application may change what changes, and delete nothing but streams and messages', async () => {
    const { rows } = await database.admin.query<{ name: string; rights: string }>(`
      select relname as name, string_agg(lower(privilege_type), ', ' order by privilege_type) as rights
        from pg_class, aclexplode(relacl)
       where relnamespace = 'ensemble'::regnamespace and relkind = 'r' and grantee = 'ensemble_app'::regrole
       group by 1 order by 1`);
    expect(Object.fromEntries(rows.map(({ name, rights }) => [name, rights]))).toEqual({
      agent_definitions: 'insert, select',
      agent_messages: 'delete, insert, select',
      agent_run_attempts: 'insert, select',
      agent_run_turns: 'insert, select',
      agent_runs: 'insert, select, update',
      agents: 'insert, select, update',
      audit_log: 'insert, select',
      blobs: 'insert, select',
      buses: 'insert, select, update',
      context_writes: 'insert, select',
      dead_letters: 'delete, insert, select, update',
      deliveries: 'delete, insert, select, update',
      journal_entries: 'insert, select',
      mailboxes: 'insert, select, update',
      message_waits: 'delete, insert, select, update',
      migrations: 'select',
      model_calls: 'insert, select',
      plans: 'insert, select',
      projects: 'insert, select',
      publishers: 'insert, select, update',
      run_events: 'insert, select',
      runs: 'insert, select, update',
      subscriptions: 'insert, select, update',
      system_jobs: 'select, update',
      tenants: 'insert, select',
      token_chunks: 'insert, select',
      token_streams: 'delete, insert, select, update',
      tool_calls: 'insert, select, update',
    });
  });
});
