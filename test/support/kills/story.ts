import type { Pool } from 'pg';

interface EventRow {
  readonly seq: string;
  readonly key: string;
  readonly type: string;
  readonly address: string | null;
  readonly data: { readonly attempt?: number };
}

/** Everything that PostgreSQL holds of one run, for comparing before and after. */
export async function rowsOf(admin: Pool, runId: string): Promise<Readonly<Record<string, unknown>>> {
  const [run, agents, attempts, events, blobs] = await Promise.all([
    admin.query('select * from ensemble.runs where id = $1', [runId]),
    admin.query('select * from ensemble.agent_runs where run_id = $1 order by address', [runId]),
    admin.query(
      `select a.* from ensemble.agent_run_attempts a join ensemble.agent_runs r on r.id = a.agent_run_id
        where r.run_id = $1 order by a.agent_run_id, a.attempt`,
      [runId],
    ),
    eventsOf(admin, runId),
    admin.query('select sha256, bytes from ensemble.blobs order by sha256'),
  ]);
  return {
    run: run.rows,
    agents: agents.rows,
    attempts: attempts.rows,
    events,
    blobs: blobs.rows,
  };
}

/** What each agent said, in its order: the order among agents that work at once is not the same in every run. */
export async function conversationOf(admin: Pool, runId: string): Promise<readonly unknown[]> {
  const text = `select from_agent, number, to_agent, topic, capability, type, correlation_id, content
    from ensemble.agent_messages where run_id = $1 order by from_agent, number`;
  return (await admin.query(text, [runId])).rows;
}

/** Fails unless the run's events are one story: gap-free, nothing twice, each agent completed once, the end last. */
export async function expectOneStory(
  admin: Pool,
  runId: string,
  addresses: readonly string[],
): Promise<void> {
  const events = await eventsOf(admin, runId);
  expect(events.map(({ seq }) => Number(seq))).toEqual(events.map((_, index) => index + 1));
  expect(new Set(events.map(({ key }) => key)).size).toBe(events.length);
  expect(events.at(-1)?.type).toBe('run.completed');
  const of = (type: string) => events.filter((event) => event.type === type);
  expect(of('run.completed')).toHaveLength(1);
  const completed = of('agent.completed').map(({ address }) => String(address));
  expect(completed.toSorted()).toEqual(addresses.toSorted());
  const begun = of('agent.started').map(({ address, data }) => `${address} ${data.attempt}`);
  expect(begun).toEqual([...new Set(begun)]);
}

async function eventsOf(admin: Pool, runId: string): Promise<readonly EventRow[]> {
  const text = 'select seq, key, type, address, data from ensemble.run_events where run_id = $1 order by seq';
  return (await admin.query<EventRow>(text, [runId])).rows;
}
