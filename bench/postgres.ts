import { once } from 'node:events';
import { Client as Postgres } from 'pg';

/** A connection for as long as the work takes. */
export async function withPostgres<T>(
  connectionString: string,
  work: (client: Postgres) => Promise<T>,
): Promise<T> {
  const client = new Postgres({ connectionString });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** What a commit waits for, in words. */
export async function durabilityOf(client: Postgres): Promise<string> {
  const { rows } = await client.query<{ fsync: string; commit: string }>(
    "select current_setting('fsync') as fsync, current_setting('synchronous_commit') as commit",
  );
  return `fsync ${rows[0]?.fsync}, synchronous_commit ${rows[0]?.commit}`;
}

/** Hands over a NOTIFY on one connection that returns once it has arrived on another, with nothing of ours between. */
export async function withNotifications<T>(
  connectionString: string,
  work: (notify: () => Promise<unknown>) => Promise<T>,
): Promise<T> {
  return withPostgres(connectionString, (listener) =>
    withPostgres(connectionString, async (speaker) => {
      await listener.query('listen bench');
      return work(() =>
        Promise.all([once(listener, 'notification'), speaker.query("select pg_notify('bench', 'x')")]),
      );
    }),
  );
}
