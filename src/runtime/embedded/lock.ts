import {
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { codeOf } from './errors';
import { isAlive, ownMark, type ProcessMark } from './processes';

/** What a lock file holds: the process that took it, and whatever it wants others to know. */
export type LockRecord = ProcessMark & Readonly<Record<string, unknown>>;

const STEAL_STALE_MS = 10_000;

/** Reads a lock file; null when there is none or it cannot be understood. */
export function readLock(path: string): LockRecord | null {
  try {
    const value: unknown = JSON.parse(readFileSync(path, 'utf8'));
    return isLockRecord(value) ? value : null;
  } catch {
    return null;
  }
}

function isLockRecord(value: unknown): value is LockRecord {
  if (typeof value !== 'object' || value === null || !('pid' in value) || !('born' in value)) return false;
  return typeof value.pid === 'number' && typeof value.born === 'string';
}

/** Takes the lock and returns null, or returns the record of the live process that holds it. */
export async function tryLock(
  path: string,
  content: Readonly<Record<string, unknown>> = {},
  isHeld: (record: LockRecord) => boolean = isAlive,
): Promise<LockRecord | null> {
  for (;;) {
    if (createWith(path, content)) return null;
    const record = readLock(path);
    if (record !== null && isHeld(record)) return record;
    takeAway(path, isHeld);
    await sleep(10);
  }
}

/** Replaces what our own lock says, never leaving a half-written file for a reader. */
export function rewriteLock(path: string, content: Readonly<Record<string, unknown>>): void {
  renameSync(writeBeside(path, content), path);
}

/** Gives the lock back, unless it is no longer ours. */
export function releaseLock(path: string): void {
  const record = readLock(path);
  if (record === null || record.pid !== process.pid) return;
  rmSync(path, { force: true });
}

function writeBeside(path: string, content: Readonly<Record<string, unknown>>): string {
  const temporary = `${path}.${process.pid}.${randomBytes(4).toString('hex')}`;
  writeFileSync(temporary, `${JSON.stringify({ ...content, ...ownMark() })}\n`, { mode: 0o600 });
  return temporary;
}

// A hard link appears whole or not at all, so nobody ever reads a lock without its holder.
function createWith(path: string, content: Readonly<Record<string, unknown>>): boolean {
  const temporary = writeBeside(path, content);
  try {
    linkSync(temporary, path);
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(temporary, { force: true });
  }
}

// Two processes may find the same dead holder: only the one that makes the folder looks again and removes.
function takeAway(path: string, isHeld: (record: LockRecord) => boolean): void {
  const guard = `${path}.stealing`;
  try {
    mkdirSync(guard);
  } catch {
    if (ageOf(guard) > STEAL_STALE_MS) rmSync(guard, { recursive: true, force: true });
    return;
  }
  try {
    const record = readLock(path);
    if (record === null || !isHeld(record)) rmSync(path, { force: true });
  } finally {
    rmdirSync(guard);
  }
}

function ageOf(path: string): number {
  try {
    return Date.now() - statSync(path).mtimeMs;
  } catch {
    return 0;
  }
}
