import type { Config, Environment } from '../../config';
import { SEARCH_ATTRIBUTES } from '../../core/search-attributes';
import { AppError } from '../../protocol/failures';
import type { Announce } from './announce';
import type { Child } from './child';
import { prepareDataDir, type DataLayout } from './data-dir';
import { forgetChild, rememberChild, stopLeftovers, type ServerName } from './leftovers';
import { takeOwnership, type Addresses, type Ownership } from './owner';
import { startPostgres } from './postgres';
import { startTemporal } from './temporal';

export { checkoutRoot, dataDirOf } from './data-dir';
export { liveOwner } from './owner';
export { resetData } from './reset-data';

/** The servers that everything else runs on; those named by configuration are only passed on, never started or stopped. */
export interface EmbeddedServers extends Addresses {
  readonly pids: readonly number[];
  stop(): Promise<void>;
}

/** What is started and where its data lives. */
export interface EmbeddedOptions {
  readonly config: Config;
  /** TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE are read from here, and programs are found on its PATH. */
  readonly environment: Environment;
  readonly dataDir: string;
  readonly announce: Announce;
  readonly ui?: boolean;
  /** Search attributes of type Keyword that the server registers; ours by default. */
  readonly searchAttributes?: readonly string[];
  /** `any` takes free ports without trying the usual ones first: for tests that stand side by side. */
  readonly ports?: 'preferred' | 'any';
  /** `packaged` takes PostgreSQL from the npm package even where the system has one. */
  readonly postgres?: 'any' | 'packaged';
  /** Ends a start under way; what has been started is stopped. */
  readonly signal?: AbortSignal;
}

interface Start {
  readonly options: EmbeddedOptions;
  readonly layout: DataLayout;
  readonly abort: AbortController;
  readonly children: Map<ServerName, Child>;
}

/** Starts Temporal and PostgreSQL together, unless they are configured as external, and waits until both are ready. */
export async function startEmbedded(options: EmbeddedOptions): Promise<EmbeddedServers> {
  const external = externalOf(options);
  if (external.temporalAddress !== undefined && external.databaseUrl !== undefined) {
    const { temporalAddress, databaseUrl, databaseAdminUrl } = external;
    return {
      temporalAddress,
      temporalUiUrl: null,
      databaseUrl,
      databaseAdminUrl,
      pids: [],
      stop: async () => {},
    };
  }
  const layout = prepareDataDir(options.dataDir);
  const ownership = await takeOwnership(layout);
  const start: Start = { options, layout, abort: new AbortController(), children: new Map() };
  const stop = onceOnly(() => stopAll(start, ownership));
  try {
    await stopLeftovers(layout, options.announce);
    const addresses = await startBoth(start, external);
    ownership.publish(addresses);
    return { ...addresses, pids: [...start.children.values()].map(({ mark }) => mark.pid), stop };
  } catch (error) {
    await stop();
    throw isAbort(error, options.signal) ? new AppError('RUN_CANCELLED', 'Stopped while starting') : error;
  }
}

interface External {
  readonly temporalAddress: string | undefined;
  readonly databaseUrl: string | undefined;
  readonly databaseAdminUrl: string | null;
}

function externalOf({ config, environment, announce }: EmbeddedOptions): External {
  const temporalAddress = environment['TEMPORAL_ADDRESS'] || undefined;
  if (config.DATABASE_URL === undefined && config.DATABASE_ADMIN_URL !== undefined) {
    throw new AppError(
      'CONFIG_INVALID',
      'DATABASE_ADMIN_URL is set without DATABASE_URL: set both, or neither',
    );
  }
  if (temporalAddress !== undefined)
    announce(`  temporal     yours on ${temporalAddress} (TEMPORAL_ADDRESS)`);
  if (config.DATABASE_URL !== undefined) {
    announce(`  postgresql   yours on ${new URL(config.DATABASE_URL).host} (DATABASE_URL)`);
  }
  return {
    temporalAddress,
    databaseUrl: config.DATABASE_URL,
    databaseAdminUrl: config.DATABASE_ADMIN_URL ?? null,
  };
}

async function startBoth(start: Start, external: External): Promise<Addresses> {
  const temporal = external.temporalAddress
    ? Promise.resolve({ address: external.temporalAddress, uiUrl: null })
    : startTemporal({
        ...common(start, 'temporal'),
        ui: start.options.ui ?? true,
        searchAttributes: start.options.searchAttributes ?? Object.values(SEARCH_ATTRIBUTES),
      });
  const postgres = external.databaseUrl
    ? Promise.resolve({ databaseUrl: external.databaseUrl, databaseAdminUrl: external.databaseAdminUrl })
    : startPostgres({ ...common(start, 'postgresql'), source: start.options.postgres ?? 'any' });
  // The first failure ends the other start: nobody should wait minutes for a build that is of no use any more.
  const failed = (error: unknown) => start.abort.abort(error);
  temporal.catch(failed);
  postgres.catch(failed);
  await Promise.allSettled([temporal, postgres]);
  if (start.abort.signal.aborted) throw start.abort.signal.reason;
  const [{ address, uiUrl }, { databaseUrl, databaseAdminUrl }] = [await temporal, await postgres];
  return { temporalAddress: address, temporalUiUrl: uiUrl, databaseUrl, databaseAdminUrl };
}

function common({ options, layout, abort, children }: Start, name: ServerName) {
  const { config, environment, announce } = options;
  return {
    layout,
    environment,
    announce,
    cacheDir: config.ENSEMBLE_CACHE_DIR,
    ports: options.ports ?? 'preferred',
    signal: options.signal ? AbortSignal.any([abort.signal, options.signal]) : abort.signal,
    onChild: (child: Child) => {
      children.set(name, child);
      rememberChild(layout, name, child.mark);
    },
  } as const;
}

async function stopAll({ layout, children }: Start, ownership: Ownership): Promise<void> {
  await Promise.all(
    [...children].map(async ([name, child]) => {
      await child.stop();
      forgetChild(layout, name);
    }),
  );
  ownership.release();
}

function onceOnly(work: () => Promise<void>): () => Promise<void> {
  let done: Promise<void> | undefined;
  return () => (done ??= work());
}

function isAbort(error: unknown, signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true && !AppError.is(error);
}
