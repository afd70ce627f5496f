import { readFile, stat } from 'node:fs/promises';
import { AppError } from '../../protocol/failures';
import { LIMITS } from '../../protocol/limits';

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EISDIR: 'it is a directory; name the lock file in it',
  ENOTDIR: 'a part of its path is not a directory',
  ELOOP: 'its symbolic links go in circles',
  ENAMETOOLONG: 'its name is too long',
};

/** Reads a file the user named; a failure names the option, the file and the reason in one line. */
export async function readNamedFile(option: string, path: string): Promise<Uint8Array> {
  const bytes = await readBounded(option, path);
  if (bytes.byteLength > 0) return bytes;
  throw new AppError('INPUT_UNREADABLE', `${option} ${path}: the file is empty`);
}

async function readBounded(option: string, path: string): Promise<Uint8Array> {
  try {
    const found = await stat(path);
    // Asked before reading: a pipe would block, a device never ends, a huge file would fill the memory.
    if (found.isFile() && found.size > LIMITS.blobBytes) throw tooLarge(`${option} ${path}`, found.size);
    if (!found.isFile() && !found.isDirectory()) {
      throw new AppError('INPUT_UNREADABLE', `${option} ${path}: it is not a regular file`);
    }
    return await readFile(path);
  } catch (cause) {
    if (AppError.is(cause)) throw cause;
    throw new AppError('INPUT_UNREADABLE', `${option} ${path}: ${reasonOf(cause)}`, { cause });
  }
}

/** The error for a lock file over the limit. */
export function tooLarge(what: string, bytes?: number): AppError {
  const size = bytes === undefined ? 'it is' : `${bytes} bytes are`;
  return new AppError(
    'INPUT_TOO_LARGE',
    `${what}: ${size} over the limit of ${LIMITS.blobBytes / 1024 / 1024} MiB`,
  );
}

function reasonOf(error: unknown): string {
  // By shape, not by class: errors of the file system do not share a class with every realm.
  const { code = '', message = String(error) } = (error ?? {}) as {
    readonly code?: string;
    readonly message?: string;
  };
  return REASONS[code] ?? message;
}
