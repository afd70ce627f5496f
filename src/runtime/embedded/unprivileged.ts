import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** A user that a program is run as. */
export interface Credentials {
  readonly uid: number;
  readonly gid: number;
}

const NOBODY = 65_534;

/** The user PostgreSQL runs as when we are root, which it refuses; null when we are somebody else already. */
export function unprivilegedUser(): Credentials | null {
  if (process.getuid?.() !== 0) return null;
  return postgresUser() ?? { uid: NOBODY, gid: NOBODY };
}

function postgresUser(): Credentials | null {
  try {
    const line = readFileSync('/etc/passwd', 'utf8')
      .split('\n')
      .find((entry) => entry.startsWith('postgres:'));
    const [, , uid, gid] = line?.split(':') ?? [];
    const user = { uid: Number(uid), gid: Number(gid) };
    return user.uid > 0 && user.gid > 0 ? user : null;
  } catch {
    return null;
  }
}

/** Can that user enter the folder? Asked by trying, since modes of parents, access lists and mounts all have a say. */
export function canEnter(folder: string, user: Credentials): boolean {
  const { status } = spawnSync('/bin/sh', ['-c', 'cd -- "$1"', 'sh', folder], {
    uid: user.uid,
    gid: user.gid,
    cwd: '/',
    stdio: 'ignore',
  });
  return status === 0;
}

/** Can a program run as that user at all? Some containers map no other user than root. */
export function canBecome(user: Credentials): boolean {
  return canEnter('/', user);
}
