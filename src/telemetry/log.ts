import { pino, type Logger as PinoLogger } from 'pino';
import { pinoPretty } from './pretty';

/** Structured log. Child loggers carry run id, agent and tenant into every line. */
export type Logger = PinoLogger;

export interface LogOptions {
  readonly level: 'debug' | 'info' | 'warn' | 'error' | 'silent';
  readonly format: 'auto' | 'json' | 'pretty';
}

/** Paths whose values never reach a log line, wherever an object with such a field is logged. */
const REDACTED = ['apiKey', 'authorization', 'password', 'token', 'connectionString', 'databaseUrl'];

/** Writes JSON lines to stderr, pretty ones on a terminal: stdout belongs to what the user asked for. */
export function createLogger({ level, format }: LogOptions): Logger {
  const pretty = format === 'pretty' || (format === 'auto' && process.stderr.isTTY);
  const options = {
    level,
    base: null,
    redact: { paths: REDACTED.flatMap((name) => [name, `*.${name}`]), censor: '[redacted]' },
    formatters: { level: (label: string) => ({ level: label }) },
    timestamp: pino.stdTimeFunctions.isoTime,
  };
  return pino(options, pretty ? pinoPretty() : pino.destination({ fd: 2, sync: true }));
}
