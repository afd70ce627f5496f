import { setTimeout as sleep } from 'node:timers/promises';
import { AppError } from '../../protocol/failures';
import { stepAnnouncer, type Announce } from './announce';
import { lastLines, spawnChild, type Child } from './child';
import { join } from 'node:path';
import type { Environment } from '../../config';
import { choosePort } from './ports';
import type { DataLayout } from './data-dir';
import { outputOf, pathOf } from './programs';
import { findTemporal } from './temporal-binary';

/** What a start of the embedded Temporal server needs. */
export interface TemporalOptions {
  readonly layout: DataLayout;
  readonly cacheDir: string;
  readonly environment: Environment;
  readonly announce: Announce;
  readonly ui: boolean;
  readonly ports: 'preferred' | 'any';
  readonly searchAttributes: readonly string[];
  readonly signal: AbortSignal | undefined;
  /** Called as soon as there is a process, before it is ready. */
  readonly onChild: (child: Child) => void;
}

/** The embedded Temporal server, ready to take workflows. */
export interface RunningTemporal {
  readonly address: string;
  readonly uiUrl: string | null;
  readonly child: Child;
}

interface Ports {
  readonly grpc: number;
  /** The Web UI, or the bare HTTP gateway where there is no UI: either tells when the server answers. */
  readonly http: number;
}

// The defaults are for clusters: on one shard they pace a run to 20 dispatches a second and round timers to a second.
// The version check is off because nothing may leave the machine unasked.
const DYNAMIC_CONFIG = [
  'history.transferProcessorMaxPollRPS=2000',
  'history.timerProcessorMaxPollRPS=2000',
  'history.timerProcessorMaxTimeShift="10ms"',
  'system.enableActivityEagerExecution=true',
  'history.MaxBufferedQueryCount=100',
  'history.maxInFlightUpdates=200',
  'history.maxTotalUpdates=20000',
  'history.maximumBufferedEventsBatch=10000',
  'matching.useNewMatcher=true',
  'frontend.enableServerVersionCheck=false',
];
const PRAGMAS = ['journal_mode=WAL', 'synchronous=NORMAL'];
const GRPC_PORT = 7233;
const UI_PORT = 8233;
const ATTEMPTS = 3;
const READY_MS = 60_000;
const POLL_MS = 50;

/** Starts the Temporal server on this data folder and waits until it answers. */
export async function startTemporal(options: TemporalOptions): Promise<RunningTemporal> {
  const binary = await findTemporal(options);
  const say = stepAnnouncer(options.announce, 'temporal');
  for (let attempt = 1; ; attempt += 1) {
    const ports = await choosePorts(options, say);
    const child = await spawnTemporal(options, binary, ports);
    options.onChild(child);
    if (await isReady(options, child, ports)) {
      await registerAttributes(options, binary, ports);
      say(`ready on 127.0.0.1:${ports.grpc}`);
      const uiUrl = options.ui ? `http://127.0.0.1:${ports.http}` : null;
      if (uiUrl !== null) say(`Web UI on ${uiUrl}`);
      return { address: `127.0.0.1:${ports.grpc}`, uiUrl, child };
    }
    const log = logFileOf(options);
    await child.stop();
    options.signal?.throwIfAborted();
    // Somebody may take a port between our choosing and the server's listening: choose again.
    if (attempt < ATTEMPTS && /address already in use/i.test(lastLines(log))) continue;
    throw new AppError(
      'TEMPORAL_UNAVAILABLE',
      `Temporal did not start: ${lastLines(log)}; its log is ${log}`,
    );
  }
}

async function choosePorts(options: TemporalOptions, say: Announce): Promise<Ports> {
  const any = options.ports === 'any';
  const grpc = await choosePort(any ? 0 : GRPC_PORT);
  const http = await choosePort(any || !options.ui ? 0 : UI_PORT, new Set([grpc.port]));
  for (const { port, instead } of [grpc, http]) {
    if (instead !== null) say(`port ${instead} is taken, using ${port}`);
  }
  return { grpc: grpc.port, http: http.port };
}

function spawnTemporal(options: TemporalOptions, binary: string, ports: Ports): Promise<Child> {
  const { layout, ui } = options;
  const namespace = namespaceOf(options);
  const front = ui ? ['--ui-port', String(ports.http)] : ['--headless', '--http-port', String(ports.http)];
  const settings: Record<string, readonly string[]> = {
    '--sqlite-pragma': PRAGMAS,
    '--dynamic-config-value': DYNAMIC_CONFIG,
    '--namespace': namespace === 'default' ? [] : [namespace],
    '--ip': ['127.0.0.1'],
    '--port': [String(ports.grpc)],
    '--log-level': ['error'],
    '--db-filename': [layout.temporalDatabase],
  };
  const flags = Object.entries(settings).flatMap(([flag, values]) =>
    values.flatMap((value) => [flag, value]),
  );
  return spawnChild({
    command: binary,
    args: ['server', 'start-dev', ...flags, ...front],
    env: ownEnvironment(options),
    logFile: logFileOf(options),
    user: null,
    stopSignal: 'SIGINT',
    graceMs: 10_000,
  });
}

// The server's own flag works on a new database only; this works on every one, and repeating it changes nothing.
async function registerAttributes(options: TemporalOptions, binary: string, ports: Ports): Promise<void> {
  if (options.searchAttributes.length === 0) return;
  const at = ['--address', `127.0.0.1:${ports.grpc}`, '--namespace', namespaceOf(options)];
  const attributes = options.searchAttributes.flatMap((name) => ['--name', name, '--type', 'Keyword']);
  const args = ['operator', 'search-attribute', 'create', ...at, ...attributes];
  if ((await outputOf(binary, args, { environment: ownEnvironment(options) })) !== null) return;
  throw new AppError(
    'TEMPORAL_UNAVAILABLE',
    `Temporal did not take the search attributes ${options.searchAttributes.join(', ')}`,
  );
}

// Nothing else of the caller's: its TEMPORAL_* variables speak of other servers.
function ownEnvironment({ environment, layout }: TemporalOptions): Record<string, string> {
  const HOME = environment['HOME'] ?? layout.root;
  return { PATH: pathOf(environment), HOME, TEMPORAL_VERSION_CHECK_DISABLED: '1' };
}

function namespaceOf({ environment }: TemporalOptions): string {
  return environment['TEMPORAL_NAMESPACE'] || 'default';
}

function logFileOf(options: TemporalOptions): string {
  return join(options.layout.logs, 'temporal.log');
}

async function isReady(options: TemporalOptions, child: Child, ports: Ports): Promise<boolean> {
  const namespace = namespaceOf(options);
  const url = `http://127.0.0.1:${ports.http}/api/v1/namespaces/${encodeURIComponent(namespace)}`;
  const deadline = Date.now() + READY_MS;
  while (!child.hasExited() && Date.now() < deadline && options.signal?.aborted !== true) {
    if (await answersOk(url)) return true;
    await sleep(POLL_MS);
  }
  return false;
}

async function answersOk(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(2_000) });
    await response.arrayBuffer();
    return response.ok;
  } catch {
    return false;
  }
}
