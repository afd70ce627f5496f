import { AppError } from '../../../protocol/failures';
import { type Json, type JsonObject } from '../../../protocol/json';
import { LIMITS } from '../../../protocol/limits';
import { LOCK_VERSIONS, type Lock, type LockEntry, type LockVersion } from './entry';
import { recogniseForeign } from './foreign';
import { decodeUtf8, parseJson } from './json-text';
import { readLegacy } from './legacy';
import { readPackages } from './packages';
import { invalid, objectAt } from './read-fields';

/** Reads a package-lock.json or npm-shrinkwrap.json of version 1, 2 or 3; every failure names the file. */
export async function parseLock(bytes: Uint8Array, name: string): Promise<Lock> {
  try {
    return await parse(bytes, name);
  } catch (error) {
    if (AppError.is(error)) throw new AppError(error.code, `${name}: ${error.message}`, { cause: error });
    throw error;
  }
}

async function parse(bytes: Uint8Array, name: string): Promise<Lock> {
  if (bytes.byteLength > LIMITS.blobBytes) {
    const limit = `${LIMITS.blobBytes / 1024 / 1024} MiB`;
    throw new AppError('INPUT_TOO_LARGE', `${bytes.byteLength} bytes are over the limit of ${limit}`);
  }
  const start = new TextDecoder('latin1').decode(bytes.subarray(0, 4_096));
  const foreign = recogniseForeign(name, start.replace(/^\u00ef\u00bb\u00bf/, ''));
  if (foreign !== null)
    throw new AppError('INPUT_UNSUPPORTED', `this is ${foreign.what}; ${foreign.instead}`);
  const text = decodeUtf8(bytes);
  if (text.trim() === '') throw new AppError('INPUT_UNREADABLE', 'the file is empty');
  return await readLock(objectDocument(await parseJson(text)));
}

/** Reads a lock that is JSON already, such as one that was amended. Throws INPUT_INVALID, INPUT_UNSUPPORTED. */
export async function readLock(document: JsonObject): Promise<Lock> {
  const version = lockVersionOf(document);
  const legacy = !hasPackages(document, version);
  const entries: ReadonlyMap<string, LockEntry> = await (legacy
    ? readLegacy(document)
    : readPackages(document));
  const rootKnown = !legacy && Object.hasOwn(objectAt(document['packages'], '/packages'), '');
  return { version, legacy, rootKnown, document, entries };
}

function objectDocument(value: Json): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new AppError('INPUT_UNSUPPORTED', 'the JSON is not an object, so it is not an npm lock file');
  }
  return value as JsonObject;
}

function lockVersionOf(document: JsonObject): LockVersion {
  if (!Object.hasOwn(document, 'lockfileVersion')) {
    const manifest = ['dependencies', 'devDependencies', 'scripts', 'main'].some((key) =>
      Object.hasOwn(document, key),
    );
    const hint = manifest
      ? 'it looks like a package.json: give the package-lock.json beside it'
      : 'npm lock files say their format there';
    throw new AppError('INPUT_UNSUPPORTED', `the JSON has no lockfileVersion; ${hint}`);
  }
  const said = document['lockfileVersion'];
  const version = LOCK_VERSIONS.find((known) => known === said);
  if (version === undefined) {
    throw new AppError(
      'INPUT_UNSUPPORTED',
      `lockfileVersion is ${JSON.stringify(said).slice(0, 40)}; versions 1, 2 and 3 are read`,
    );
  }
  return version;
}

/** Version 2 carries both sections and `packages` is the complete one, which npm itself prefers. */
function hasPackages(document: JsonObject, version: LockVersion): boolean {
  if (document['packages'] !== undefined) {
    objectAt(document['packages'], '/packages');
    return true;
  }
  if (version === 3) throw invalid('/packages', 'is missing, and version 3 keeps everything there');
  return false;
}
