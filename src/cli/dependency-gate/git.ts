import { execFile } from 'node:child_process';
import { basename, dirname, resolve } from 'node:path';
import { LIMITS } from '../../protocol/limits';
import { tooLarge } from './read-file';

const TIMEOUT_MS = 20_000;
/** Commits looked through for one that has a predecessor holding the file. */
const MAX_COMMITS = 20;

/** A file that git tracks. */
export interface TrackedFile {
  readonly folder: string;
  /** Path from the top of the working tree, with forward slashes. */
  readonly path: string;
}

/** A version of a tracked file, and how to speak of it. */
export interface GitVersion {
  readonly name: string;
  readonly commit: string;
  readonly bytes: Uint8Array;
}

/** The file as git knows it; null outside a repository, without git, and for files git does not track. */
export async function trackedFile(path: string): Promise<TrackedFile | null> {
  const folder = dirname(resolve(path));
  const listed = await git(folder, [
    'ls-files',
    '--full-name',
    '-z',
    '--error-unmatch',
    '--',
    basename(path),
  ]);
  const name = listed?.toString('utf8').split('\0')[0] ?? '';
  return name === '' ? null : { folder, path: name };
}

/** The file as it is in the last commit. */
export async function committedVersion(file: TrackedFile): Promise<GitVersion | null> {
  return await versionAt(file, 'HEAD');
}

/** The last commit that changed the file and whose parent has it too: the change, and what was before. */
export async function lastChange(
  file: TrackedFile,
): Promise<{ readonly head: GitVersion; readonly base: GitVersion } | null> {
  const log = await git(file.folder, [
    'log',
    `--max-count=${MAX_COMMITS}`,
    '--format=%H',
    '--',
    `:(top)${file.path}`,
  ]);
  for (const commit of log?.toString('utf8').split('\n').filter(Boolean) ?? []) {
    const head = await versionAt(file, commit);
    const base = head === null ? null : await versionAt(file, `${commit}^`);
    if (head !== null && base !== null) return { head, base };
  }
  return null;
}

async function versionAt(file: TrackedFile, revision: string): Promise<GitVersion | null> {
  const resolved = await git(file.folder, ['rev-parse', '--verify', '--quiet', `${revision}^{commit}`]);
  const commit = resolved?.toString('utf8').trim() ?? '';
  if (commit === '') return null;
  const name = `${basename(file.path)} at ${commit.slice(0, 10)}`;
  const bytes = await git(file.folder, ['cat-file', 'blob', `${commit}:${file.path}`], name);
  return bytes === null ? null : { name, commit, bytes };
}

/** Runs git without a shell; null where it fails, since every question here may have no answer. */
function git(cwd: string, args: readonly string[], bounded?: string): Promise<Buffer | null> {
  const options = { cwd, timeout: TIMEOUT_MS, maxBuffer: LIMITS.blobBytes + 1, encoding: 'buffer' as const };
  return new Promise((done, fail) => {
    execFile('git', [...args], options, (error, stdout) => {
      if (error === null) return done(stdout);
      const overflow = 'code' in error && error.code === 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER';
      if (overflow && bounded !== undefined) return fail(tooLarge(bounded));
      return done(null);
    });
  });
}
