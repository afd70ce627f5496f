import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { argumentsOf } from '../processes';

const LISTENING = '0A';

/** Who listens on a port, as far as the system tells this user; null where it does not. */
export function holderOf(port: number): string | null {
  const sockets = new Set(listeners(port).map((inode) => `socket:[${inode}]`));
  if (sockets.size === 0) return null;
  const pid = namesIn('/proc').find((name) => /^\d+$/.test(name) && holdsOne(name, sockets));
  return pid === undefined ? null : `pid ${pid} (${argumentsOf(Number(pid))[0] ?? 'unknown'})`;
}

function listeners(port: number): string[] {
  const wanted = port.toString(16).toUpperCase().padStart(4, '0');
  return ['/proc/net/tcp', '/proc/net/tcp6'].flatMap((table) =>
    linesOf(table)
      .map((line) => line.trim().split(/\s+/))
      .filter((fields) => fields[1]?.endsWith(`:${wanted}`) === true && fields[3] === LISTENING)
      .flatMap((fields) => fields[9] ?? []),
  );
}

function holdsOne(pid: string, sockets: ReadonlySet<string>): boolean {
  return namesIn(`/proc/${pid}/fd`).some((fd) => {
    try {
      return sockets.has(readlinkSync(`/proc/${pid}/fd/${fd}`));
    } catch {
      return false;
    }
  });
}

function linesOf(path: string): string[] {
  try {
    return readFileSync(path, 'utf8').split('\n');
  } catch {
    return [];
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
