import { defineConfig } from 'drizzle-kit';

/** Only `drizzle-kit generate` reads this: migrations run by src/db/migrate.ts, never by `push`. */
export default defineConfig({
  dialect: 'postgresql',
  schema: './src/db/schema/*.ts',
  out: './src/db/migrations',
  schemaFilter: ['ensemble'],
  migrations: { schema: 'ensemble', table: 'migrations' },
});
