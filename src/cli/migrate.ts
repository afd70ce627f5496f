import { loadConfig, readEnvironment } from '../config';
import { migrate } from '../db/migrate';
import { AppError } from '../protocol/failures';
import { reportFailure } from './report-failure';

/** Brings the database that the environment names to this version's schema, and its login to its rights. */
export async function main(): Promise<number> {
  try {
    const { DATABASE_ADMIN_URL: adminUrl, DATABASE_URL: appUrl } = loadConfig(readEnvironment());
    if (adminUrl === undefined)
      throw new AppError('CONFIG_INVALID', 'DATABASE_ADMIN_URL is not set: migrating needs its rights');
    await migrate({ adminUrl, appUrl });
    process.stdout.write('The schema is up to date\n');
    return 0;
  } catch (error) {
    return reportFailure(error).exit;
  }
}

if (require.main === module)
  void main().then((exit) => {
    process.exitCode = exit;
  });
