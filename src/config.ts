import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseEnv } from 'node:util';
import { z } from 'zod';
import { AppError } from './protocol/failures';

/** One environment variable: what README's table and .env.example say of it is written here and nowhere else. */
interface Variable<T> {
  readonly schema: z.ZodType<T>;
  /** The default as shown to people; the value itself comes from `schema`. */
  readonly shown: string;
  readonly about: string;
  readonly secret?: true;
}

const text = z.string().trim().min(1, 'must not be empty');
const optionalText = text.optional();
const wholeNumber = (least: number, most: number, fallback: number) =>
  z
    .string()
    .regex(/^\d+$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.int().min(least).max(most))
    .default(fallback);
const list = (separator: string) =>
  text.transform((value) =>
    value
      .split(separator)
      .map((entry) => entry.trim())
      .filter(Boolean),
  );
const url = (...protocols: string[]) =>
  text.refine(
    (value) => URL.canParse(value) && protocols.includes(new URL(value).protocol),
    `must be a URL that starts with ${protocols.map((p) => `${p}//`).join(' or ')}`,
  );

const defaultCacheDir = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'ensemble');

/** Every variable that Ensemble reads. Temporal's own (TEMPORAL_ADDRESS, TLS, API key) are read by @temporalio/envconfig. */
export const VARIABLES = {
  DATABASE_URL: variable(url('postgres:', 'postgresql:').optional(), 'embedded', {
    about: 'PostgreSQL as the application role. TLS by `?sslmode=verify-full&sslrootcert=FILE`.',
    secret: true,
  }),
  DATABASE_ADMIN_URL: variable(url('postgres:', 'postgresql:').optional(), 'embedded', {
    about:
      'PostgreSQL as the role that migrates; it never serves. Leave unset where migrations run elsewhere.',
    secret: true,
  }),
  DATABASE_POOL_SIZE: variable(wholeNumber(1, 500, 10), '10', { about: 'Connections per process.' }),
  ENSEMBLE_TASK_QUEUE: variable(text.default('ensemble'), 'ensemble', {
    about: 'Temporal task queue of workflows and agents.',
  }),
  ENSEMBLE_AGENTS_PATH: variable(
    list(':')
      .transform((paths) => paths.map((path) => resolve(path)))
      .default([]),
    'none',
    { about: 'More folders to load agents from, separated by colons.' },
  ),
  ENSEMBLE_MODEL_PROVIDER: variable(
    text.regex(/^[\w-]+$/, 'must be the name of a provider').default('auto'),
    'auto',
    {
      about:
        '`anthropic`, `openai`, `openai-compatible`, `offline` or one of your own; `auto` takes the provider whose key or base URL is set, else `offline`.',
    },
  ),
  ENSEMBLE_MODEL: variable(optionalText, "the provider's", { about: 'Model name.' }),
  ENSEMBLE_MODEL_TIMEOUT_MS: variable(wholeNumber(100, 3_600_000, 120_000), '120000', {
    about: 'Bound of one call to a model, in milliseconds.',
  }),
  ENSEMBLE_MODEL_FALLBACKS: variable(
    list(',')
      .pipe(z.array(text.regex(/^[\w-]+(?::\S+)?$/, 'must hold entries like provider:model')))
      .default([]),
    'none',
    { about: 'Models to go on with where the first one fails, as `provider:model`, separated by commas.' },
  ),
  ENSEMBLE_PROVIDERS_PATH: variable(list(':').default([]), 'none', {
    about: 'Files and packages that bring model providers of your own, separated by colons.',
  }),
  ENSEMBLE_PRICES_FILE: variable(
    text.transform((value) => resolve(value)).optional(),
    'list prices that come along',
    { about: 'JSON file of model prices that override and extend them.' },
  ),
  OPENAI_API_KEY: variable(optionalText, 'unset', {
    about: 'Key for OpenAI or a compatible server.',
    secret: true,
  }),
  OPENAI_BASE_URL: variable(url('http:', 'https:').optional(), "OpenAI's", {
    about: 'Any OpenAI-compatible server; selects `openai-compatible`.',
  }),
  ANTHROPIC_API_KEY: variable(optionalText, 'unset', { about: 'Key for Anthropic.', secret: true }),
  ANTHROPIC_BASE_URL: variable(url('http:', 'https:').optional(), "Anthropic's", {
    about: 'Another Anthropic endpoint.',
  }),
  ENSEMBLE_FILES_ROOT: variable(text.transform((value) => resolve(value)).optional(), 'none', {
    about: 'The one folder whose files agents may read, where a plan gives them the tool `file-read`.',
  }),
  ENSEMBLE_HTTP_ALLOW_HOSTS: variable(
    text
      .transform((value) =>
        value
          .split(',')
          .map((host) => host.trim())
          .filter(Boolean),
      )
      .optional(),
    'every public host',
    {
      about:
        'Hosts that HTTP tools may call, separated by commas: `api.example.com`, `*.example.com`, `localhost:8080`, or `*` for every public one.',
    },
  ),
  ENSEMBLE_MAX_CONCURRENT_AGENTS: variable(wholeNumber(1, 10_000, 100), '100', {
    about: 'Agent executions at once per worker process.',
  }),
  ENSEMBLE_STARTS_PER_HISTORY: variable(wholeNumber(1, 2_000, 500), '500', {
    about: "Agents, child runs and timers in one workflow history; then a run's workflow continues as new.",
  }),
  ENSEMBLE_SHUTDOWN_GRACE_MS: variable(wholeNumber(0, 600_000, 5_000), '5000', {
    about: 'How long running agents may finish when a worker is told to stop, in milliseconds.',
  }),
  ENSEMBLE_HTTP_HOST: variable(text.default('127.0.0.1'), '127.0.0.1', {
    about: 'Address the server listens on.',
  }),
  ENSEMBLE_HTTP_PORT: variable(wholeNumber(0, 65_535, 8080), '8080', {
    about: 'Port the server listens on; 0 takes a free one.',
  }),
  ENSEMBLE_HTTP_TOKEN: variable(
    text.refine((value) => value.length >= 32, 'must have at least 32 characters').optional(),
    'unset',
    { about: 'Bearer token of the HTTP API; required where it listens beyond loopback.', secret: true },
  ),
  ENSEMBLE_LOG_LEVEL: variable(z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info'), 'info', {
    about: 'Lines below this level are not written.',
  }),
  ENSEMBLE_LOG_FORMAT: variable(z.enum(['auto', 'json', 'pretty']).default('auto'), 'auto', {
    about: '`auto` is pretty on a terminal and JSON elsewhere.',
  }),
  ENSEMBLE_DATA_DIR: variable(text.transform((value) => resolve(value)).optional(), 'per checkout', {
    about: "Where `npm start` keeps Temporal's and PostgreSQL's data.",
  }),
  ENSEMBLE_CACHE_DIR: variable(
    text.transform((value) => resolve(value)).default(defaultCacheDir),
    '~/.cache/ensemble',
    {
      about: 'Where the Temporal CLI is cached, outside any checkout.',
    },
  ),
} as const;

type Variables = typeof VARIABLES;
export type Config = { readonly [K in keyof Variables]: z.infer<Variables[K]['schema']> };

function variable<T>(
  schema: z.ZodType<T>,
  shown: string,
  rest: Omit<Variable<T>, 'schema' | 'shown'>,
): Variable<T> {
  return { schema, shown, ...rest };
}

/** An environment as it was given: names and texts. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** The process's environment over what a `.env` file in the folder says; what is set outside wins. */
export function readEnvironment(folder: string = process.cwd()): Environment {
  const file = join(folder, '.env');
  return existsSync(file) ? { ...parseEnv(readFileSync(file, 'utf8')), ...process.env } : process.env;
}

/** Reads the environment once; every problem is reported at once, and no value of a secret is repeated. Throws CONFIG_INVALID. */
export function loadConfig(environment: Environment): Config {
  const values: Record<string, unknown> = {};
  const problems: string[] = [];
  for (const [name, { schema }] of Object.entries(VARIABLES)) {
    const given = environment[name];
    const parsed = schema.safeParse(given === '' ? undefined : given);
    if (parsed.success) values[name] = parsed.data;
    else problems.push(`${name} ${parsed.error.issues.map((issue) => issue.message).join(', ')}`);
  }
  if (problems.length > 0) throw new AppError('CONFIG_INVALID', `Configuration: ${problems.join('; ')}`);
  return values as Config;
}

/** Where PostgreSQL is, for whoever cannot do without it. Throws CONFIG_INVALID. */
export function requiredDatabaseUrl({ DATABASE_URL }: Pick<Config, 'DATABASE_URL'>): string {
  if (DATABASE_URL !== undefined) return DATABASE_URL;
  throw new AppError(
    'CONFIG_INVALID',
    'DATABASE_URL is not set: say where PostgreSQL is, or use `npm start`',
  );
}
