import {
  Client,
  Connection,
  type ConnectionLike,
  type ConnectionOptions,
  defaultGrpcRetryOptions,
  InternalConnectionLikeSymbol,
  makeGrpcRetryInterceptor,
} from '@temporalio/client';
import { type ClientConnectConfig, loadClientConnectConfig } from '@temporalio/envconfig';
import { AppError } from '../protocol/failures';
import { dataConverter } from './data-converter';

/** Where Temporal is and how to speak to it, as @temporalio/envconfig reads it (profile file and TEMPORAL_* variables). */
export interface TemporalTarget {
  readonly connectionOptions: ClientConnectConfig['connectionOptions'];
  readonly namespace: string;
}

export function temporalTarget(environment: Readonly<Record<string, string | undefined>>): TemporalTarget {
  try {
    const overrideEnvVars = Object.fromEntries(
      Object.entries(environment).filter((entry): entry is [string, string] => entry[1] !== undefined),
    );
    const { connectionOptions, namespace } = loadClientConnectConfig({ overrideEnvVars });
    return { connectionOptions, namespace: namespace ?? 'default' };
  } catch (cause) {
    throw new AppError('CONFIG_INVALID', `Temporal's configuration cannot be read: ${messageOf(cause)}`, {
      cause,
    });
  }
}

type Interceptor = NonNullable<ConnectionOptions['interceptors']>[number];

const retryingAsUsual = makeGrpcRetryInterceptor(defaultGrpcRetryOptions());
const retryingAtOnce = makeGrpcRetryInterceptor(
  defaultGrpcRetryOptions({ initialIntervalMs: () => 10, factor: 1.25, maxAttempts: 30 }),
);

/**
 * The SDK's own retries. A query changes nothing: one that a busy workflow has no room for is asked again in a moment
 * instead of a second.
 */
const retrying: Interceptor = (options, nextCall) =>
  (options.method_definition.path.endsWith('/QueryWorkflow') ? retryingAtOnce : retryingAsUsual)(
    options,
    nextCall,
  );

/** Connects a client; TEMPORAL_UNAVAILABLE with the address and the way out when nobody answers. */
export async function connectClient(target: TemporalTarget): Promise<Client> {
  try {
    const connection = await Connection.connect({
      ...target.connectionOptions,
      connectTimeout: '10s',
      interceptors: [retrying],
    });
    return clientOver(connection, target);
  } catch (cause) {
    throw temporalUnavailable(target, cause);
  }
}

/** A client that reads and writes payloads as everything of ours does. */
export function clientOver(connection: ConnectionLike, { namespace }: TemporalTarget): Client {
  return new Client({ connection, namespace, dataConverter });
}

interface Eagerness extends ConnectionLike {
  readonly [InternalConnectionLikeSymbol]?: { readonly supportsEagerStart?: boolean };
}

/** A client that may start workflows eagerly: over a worker's connection. Throws CONFIG_INVALID where it is another one. */
export function eagerClient(connection: ConnectionLike, target: TemporalTarget): Client {
  // What the SDK itself asks at each start, when the run is accepted already.
  const { [InternalConnectionLikeSymbol]: able }: Eagerness = connection;
  if (able?.supportsEagerStart !== true)
    throw new AppError(
      'CONFIG_INVALID',
      "workerConnection must be the NativeConnection of a worker in this process; leave it out for a client's own connection",
    );
  return clientOver(connection, target);
}

export function temporalUnavailable(target: TemporalTarget, cause: unknown): AppError {
  const address = target.connectionOptions.address ?? 'localhost:7233';
  return new AppError(
    'TEMPORAL_UNAVAILABLE',
    `Temporal does not answer at ${address}: ${messageOf(cause)}. Check TEMPORAL_ADDRESS, TLS and API key`,
    { cause },
  );
}

function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n', 1)[0] ?? '';
}
