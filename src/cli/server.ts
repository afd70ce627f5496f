import { serve, type ServerType } from '@hono/node-server';
import { type Environment, loadConfig } from '../config';
import { createApp } from '../api/app';
import { createClient } from '../client/connect';
import { AppError } from '../protocol/failures';
import { createLogger } from '../telemetry/log';
import { reportFailure } from './report-failure';
import { aborted, stopSignal } from './stop-signal';

const LOOPBACK = new Set(['127.0.0.1', '::1', 'localhost']);

/** Runs the HTTP server until it is told to stop. */
export async function serverMain(environment: Environment): Promise<void> {
  try {
    await runServer(environment);
    process.exitCode = 0;
  } catch (error) {
    process.exitCode = reportFailure(error).exit;
  }
}

async function runServer(environment: Environment): Promise<void> {
  const config = loadConfig(environment);
  const { ENSEMBLE_HTTP_HOST: hostname, ENSEMBLE_HTTP_PORT: port, ENSEMBLE_HTTP_TOKEN: token } = config;
  if (token === undefined && !LOOPBACK.has(hostname))
    throw new AppError(
      'CONFIG_INVALID',
      `ENSEMBLE_HTTP_HOST ${hostname} is reachable from outside: set ENSEMBLE_HTTP_TOKEN, or listen on 127.0.0.1`,
    );
  const stop = stopSignal();
  const log = createLogger({ level: config.ENSEMBLE_LOG_LEVEL, format: config.ENSEMBLE_LOG_FORMAT });
  await using client = await createClient({ environment });
  const ready = () => client.ready();
  const app = createApp({ client, log, ready, ...(token === undefined ? {} : { token }) });
  const server = await listen({ fetch: app.fetch, hostname, port });
  log.info({ address: server.address() }, 'server is listening');
  await aborted(stop);
  await closed(server);
}

function listen(options: Parameters<typeof serve>[0] & { hostname: string }): Promise<ServerType> {
  return new Promise((resolve, reject) => {
    const server = serve(options, () => resolve(server));
    server.once('error', (cause) =>
      reject(
        new AppError(
          'CONFIG_INVALID',
          `Cannot listen on ${options.hostname}:${options.port}: ${cause.message}`,
          { cause },
        ),
      ),
    );
  });
}

/** Event streams would stay open for as long as their runs do; a stopping server ends them, readers resume by cursor. */
async function closed(server: ServerType): Promise<void> {
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
    if ('closeAllConnections' in server) server.closeAllConnections();
  });
}
