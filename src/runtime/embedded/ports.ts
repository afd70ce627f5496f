import { connect, createServer } from 'node:net';

const LOOPBACK = '127.0.0.1';
const NEIGHBOURS = 20;
const PROBE_MS = 500;

/** A port to listen on: the preferred one, or another one when that is taken. */
export interface ChosenPort {
  readonly port: number;
  /** The preferred port that was taken, where this is another one. */
  readonly instead: number | null;
}

/** Chooses a free port on the loopback address; `preferred` 0 takes any, which suits tests that run side by side. */
export async function choosePort(
  preferred: number,
  avoid: ReadonlySet<number> = new Set(),
): Promise<ChosenPort> {
  if (preferred === 0) return { port: await anyFreePort(), instead: null };
  for (let port = preferred; port <= preferred + NEIGHBOURS; port += 1) {
    if (avoid.has(port) || !(await isFree(port))) continue;
    return { port, instead: port === preferred ? null : preferred };
  }
  return { port: await anyFreePort(), instead: preferred };
}

/** True when nothing answers on the port and it can be listened on. */
export async function isFree(port: number): Promise<boolean> {
  // Listening alone does not tell: some systems let a loopback listener share the port of a listener on all addresses.
  return !(await answers(port)) && (await listenOn(port)) !== null;
}

async function anyFreePort(): Promise<number> {
  const port = await listenOn(0);
  return port ?? anyFreePort();
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: LOOPBACK, port, timeout: PROBE_MS });
    const finish = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', () => finish(true));
    socket.once('timeout', () => finish(false));
    socket.once('error', () => finish(false));
  });
}

function listenOn(port: number): Promise<number | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(null));
    server.listen({ host: LOOPBACK, port, exclusive: true }, () => {
      const address = server.address();
      const taken = typeof address === 'object' && address !== null ? address.port : null;
      server.close(() => resolve(taken));
    });
  });
}
