import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { AppError } from '../../protocol/failures';

const FOLDER = join('examples', 'dependency-gate');

/** The pair of lock files that comes with the project, for where there is no change to judge. */
export async function examplePair(
  why: string,
): Promise<{ readonly head: Uint8Array; readonly base: Uint8Array }> {
  // Sources and the built library lie at different depths below the folder that holds the examples.
  for (let folder = __dirname; dirname(folder) !== folder; folder = dirname(folder)) {
    const pair = await pairIn(join(folder, FOLDER));
    if (pair !== null) return pair;
  }
  throw new AppError(
    'INPUT_UNREADABLE',
    `${why}, and the example pair is not installed: name a file with --input`,
  );
}

async function pairIn(
  folder: string,
): Promise<{ readonly head: Uint8Array; readonly base: Uint8Array } | null> {
  try {
    const head = await readFile(join(folder, 'head.package-lock.json'));
    return { head, base: await readFile(join(folder, 'base.package-lock.json')) };
  } catch {
    return null;
  }
}
