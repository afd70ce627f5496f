import { basename, join, resolve } from 'node:path';
import { AppError } from '../../protocol/failures';
import { examplePair } from './example';
import { committedVersion, lastChange, trackedFile } from './git';
import { installedSizes } from './installed-sizes';
import { readNamedFile } from './read-file';

/** What the command line says about the gate's input. */
export interface GateOptions {
  readonly input?: string;
  readonly base?: string;
  readonly cwd: string;
}

/** The gate's input as it was found, before anything is uploaded. */
export interface GateFiles {
  readonly head: Uint8Array;
  readonly base: Uint8Array | null;
  readonly headName: string;
  readonly baseName: string | null;
  /** Installed bytes by location; null where nothing that matches is installed. */
  readonly installed: Readonly<Record<string, number>> | null;
  /** One line: which files were taken, and why. */
  readonly about: string;
}

/** Finds the two lock files to compare: those named, else the last change in git, else the example pair. */
export async function collectGateInput({ input, base, cwd }: GateOptions): Promise<GateFiles> {
  if (input === undefined && base !== undefined) {
    throw new AppError('INPUT_INVALID', '--base needs --input: name the lock file to judge');
  }
  if (input === undefined) return await fromProject(cwd);
  const path = resolve(cwd, input);
  const head = await readNamedFile('--input', path);
  const found = base === undefined ? await previousOf(path, head) : await namedBase(resolve(cwd, base), base);
  const files = { head, base: found.base, headName: input, baseName: found.baseName };
  return { ...files, installed: await measured(path, files), about: `${input} ${found.about}` };
}

type Found = Pick<GateFiles, 'base' | 'baseName' | 'about'>;

async function namedBase(path: string, name: string): Promise<Found> {
  return { base: await readNamedFile('--base', path), baseName: name, about: `against ${name}` };
}

/** What the named file was before: its committed version where it differs, else the version before its last change. */
async function previousOf(path: string, head: Uint8Array): Promise<Found> {
  const everythingNew = (why: string): Found => ({
    base: null,
    baseName: null,
    about: `alone: ${why}, so everything in it counts as new`,
  });
  const file = await trackedFile(path);
  if (file === null) return everythingNew('git does not know an earlier version');
  const committed = await committedVersion(file);
  if (committed !== null && !sameText(committed.bytes, head)) {
    const about = `against ${committed.name} (its uncommitted change)`;
    return { base: committed.bytes, baseName: committed.name, about };
  }
  const change = await lastChange(file);
  if (change === null) return everythingNew('git has no version before this one');
  const about = `against ${change.base.name} (its last change in git)`;
  return { base: change.base.bytes, baseName: change.base.name, about };
}

async function fromProject(cwd: string): Promise<GateFiles> {
  const path = join(cwd, 'package-lock.json');
  const file = await trackedFile(path);
  const change = file === null ? null : await lastChange(file);
  if (change === null) {
    const why =
      file === null ? 'no package-lock.json is in git here' : 'git has no earlier package-lock.json';
    const pair = await examplePair(why);
    const about = `the example pair, since ${why}`;
    return {
      ...pair,
      headName: 'head.package-lock.json',
      baseName: 'base.package-lock.json',
      installed: null,
      about,
    };
  }
  const { head, base } = change;
  const files = { head: head.bytes, base: base.bytes, headName: head.name, baseName: base.name };
  const about = `${head.name} against ${base.name} (the last change of ${basename(path)} in git)`;
  return { ...files, installed: await measured(path, files), about };
}

async function measured(
  path: string,
  files: Pick<GateFiles, 'head' | 'base'>,
): Promise<GateFiles['installed']> {
  return (await installedSizes(path, files))?.bytes ?? null;
}

/** Line ends may differ between the repository and the working tree without anything having changed. */
function sameText(a: Uint8Array, b: Uint8Array): boolean {
  const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1').replaceAll('\r\n', '\n');
  return text(a) === text(b);
}
