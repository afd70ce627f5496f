import type { Client } from 'pg';
import { AppError } from '../protocol/failures';
import { databaseCode, databaseError } from './errors';

const ATTEMPTS = 5;

/** Makes the login that `appUrl` names, where it is missing, a member of ensemble_app. */
export async function ensureLogin(admin: Client, appUrl: string): Promise<void> {
  const login = loginOf(appUrl);
  for (let attempt = 1; ; attempt += 1) {
    try {
      await createAndGrant(admin, login);
      return;
    } catch (error) {
      const code = databaseCode(error);
      if (code === '42501') throw missingRight(login.name, error);
      // Roles belong to the cluster: another database, under a lock of its own, may change the same one.
      // XX000 is "tuple concurrently updated".
      const concurrent = code === '42710' || code === '23505' || code === 'XX000';
      if (!concurrent || attempt === ATTEMPTS) throw databaseError(error);
    }
  }
}

interface Login {
  readonly name: string;
  readonly password: string;
}

function loginOf(appUrl: string): Login {
  try {
    const { username, password } = new URL(appUrl);
    if (username !== '')
      return { name: decodeURIComponent(username), password: decodeURIComponent(password) };
  } catch {
    throw new AppError('CONFIG_INVALID', 'DATABASE_URL is not a URL; is a % in it written as %25?');
  }
  throw new AppError('CONFIG_INVALID', 'DATABASE_URL names no user');
}

async function createAndGrant(admin: Client, login: Login): Promise<void> {
  const { rows } = await admin.query<{ create: string | null; grant: string | null }>(
    `select
       case when role.oid is null then format(
         case $2 when '' then 'create role %I login' else 'create role %I login password %L' end,
         $1::text, $2::text)
       end as create,
       case when role.oid is null or not pg_has_role(role.oid, 'ensemble_app', 'member')
         then format('grant ensemble_app to %I', $1::text)
       end as grant
     from (select) one left join pg_roles role on role.rolname = $1`,
    [login.name, login.password],
  );
  const todo = rows[0];
  if (todo?.create) await admin.query(todo.create);
  if (todo?.grant) await admin.query(todo.grant);
}

function missingRight(name: string, error: unknown): AppError {
  return new AppError(
    'CONFIG_INVALID',
    `DATABASE_ADMIN_URL may not make the login of DATABASE_URL (${databaseError(error).message}). ` +
      `As a role that may, run: create role "${name}" login password '...'; grant ensemble_app to "${name}"`,
  );
}
