import { constants } from 'node:fs';
import { type FileHandle, open, realpath, stat } from 'node:fs/promises';
import { isAbsolute, relative, resolve, sep } from 'node:path';
import { z } from 'zod';
import { AppError } from '../../../protocol/failures';
import { defineTool } from '../tool';

const MOST_BYTES = 512 * 1024;
const SHOWN_CHARS = 32_000;

/** Reads files of the one folder that the operator has opened to agents. */
export const fileRead = defineTool({
  name: 'file-read',
  description: 'Reads one file below the folder that is open to agents, as text or as base64',
  arguments: z.strictObject({
    path: z.string().min(1).max(1_000).describe('Path below that folder, such as reports/may.txt'),
    encoding: z.enum(['text', 'base64']).default('text').describe('base64 for what is not UTF-8 text'),
    from: z.int().min(0).default(0).describe('Character to start at, for what is longer than what is shown'),
  }),
  shownChars: SHOWN_CHARS,
  async run({ path, encoding, from }, { context }) {
    return (await readWithin(context.host.filesRoot, path, encoding)).slice(from);
  },
});

/**
 * The file's content. Throws INPUT_UNSUPPORTED where no folder is open, INPUT_INVALID where the path leads out of it,
 * INPUT_UNREADABLE, INPUT_TOO_LARGE.
 */
export async function readWithin(
  root: string | undefined,
  path: string,
  encoding: 'text' | 'base64',
): Promise<string> {
  if (root === undefined)
    throw new AppError('INPUT_UNSUPPORTED', 'no folder is open to agents (ENSEMBLE_FILES_ROOT is not set)');
  const bytes = await bytesWithin(root, path);
  if (encoding === 'base64') return bytes.toString('base64');
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new AppError('INPUT_UNREADABLE', `${path} is not UTF-8 text; ask for base64`);
  }
}

async function bytesWithin(root: string, path: string): Promise<Buffer> {
  const realRoot = await realpath(root).catch((error: unknown) => unreadable(root, error));
  const candidate = resolve(realRoot, path);
  // Before anything is looked up: not even whether a file outside exists is to be learnt.
  inside(realRoot, candidate, path);
  const real = await realpath(candidate).catch((error: unknown) => unreadable(path, error));
  inside(realRoot, real, path);
  // Never waits for a pipe's other end, and never follows what was put in the file's place meanwhile.
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const file = await open(real, flags).catch((error: unknown) => unreadable(path, error));
  try {
    await unmoved(realRoot, { file, real, path });
    return await content(file, path);
  } finally {
    await file.close();
  }
}

/** What was opened is what was checked, also where a folder on the way was exchanged between the two. */
async function unmoved(
  root: string,
  { file, real, path }: { readonly file: FileHandle; readonly real: string; readonly path: string },
): Promise<void> {
  const again = await realpath(real).catch((error: unknown) => unreadable(path, error));
  inside(root, again, path);
  const [opened, named] = [await file.stat(), await stat(again)];
  if (opened.ino !== named.ino || opened.dev !== named.dev)
    throw new AppError('INPUT_UNREADABLE', `${path} changed while it was opened`);
}

async function content(file: FileHandle, path: string): Promise<Buffer> {
  const found = await file.stat();
  if (!found.isFile()) throw new AppError('INPUT_INVALID', `${path} is not a file`);
  // One byte more than allowed tells that there is more, whatever the size says of a file that grows.
  const buffer = Buffer.alloc(Math.min(found.size, MOST_BYTES) + 1);
  let bytes = 0;
  for (;;) {
    const { bytesRead } = await file.read(buffer, bytes, buffer.length - bytes, bytes);
    bytes += bytesRead;
    if (bytesRead === 0 || bytes === buffer.length) break;
  }
  if (bytes <= MOST_BYTES) return buffer.subarray(0, bytes);
  throw new AppError('INPUT_TOO_LARGE', `${path} has more than ${MOST_BYTES} bytes`);
}

function inside(root: string, real: string, path: string): void {
  const way = relative(root, real);
  if (way === '..' || way.startsWith(`..${sep}`) || isAbsolute(way))
    throw new AppError('INPUT_INVALID', `${path} leads out of the folder that is open to agents`);
}

/** Names the system's reason, never the path it stands at. */
function unreadable(path: string, error: unknown): never {
  const code =
    typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : 'unknown';
  throw new AppError('INPUT_UNREADABLE', `${path} cannot be read (${code})`);
}
