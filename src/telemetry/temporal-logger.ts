import type { LogMetadata, Logger as TemporalLogger, LogLevel } from '@temporalio/common';
import type { Logger } from './log';

const LEVELS = { TRACE: 'trace', DEBUG: 'debug', INFO: 'info', WARN: 'warn', ERROR: 'error' } as const;

/** Gives the Temporal SDK's lines the shape of ours, the run's id under the same name. */
export function temporalLogger(logger: Logger): TemporalLogger {
  const write = (level: LogLevel, message: string, meta?: LogMetadata): void => {
    // The SDK says several lines of every activity that hardly anybody keeps.
    if (logger.isLevelEnabled(LEVELS[level])) logger[LEVELS[level]](tidy(meta), message);
  };
  return {
    log: write,
    trace: (message, meta) => write('TRACE', message, meta),
    debug: (message, meta) => write('DEBUG', message, meta),
    info: (message, meta) => write('INFO', message, meta),
    warn: (message, meta) => write('WARN', message, meta),
    error: (message, meta) => write('ERROR', message, meta),
  };
}

function tidy(meta: LogMetadata | undefined): Record<string, unknown> {
  if (meta === undefined) return {};
  const { workflowId, ...rest } = meta;
  const plain = Object.fromEntries(Object.entries(rest).filter(([, value]) => typeof value !== 'bigint'));
  if (typeof workflowId !== 'string') return plain;
  return { ...plain, workflowId, runId: workflowId.replace(/^run-/, '') };
}
