import { AppError } from '../../protocol/failures';
import type { BlobRef, Json, JsonObject } from '../../protocol/json';
import type { AgentContext, AgentTask } from '../base-agent';
import { type LockSide, type PackageChange, diffLocks, sideOf } from '../tools/lockfile/diff';
import { buildGraph } from '../tools/lockfile/graph';
import { decodeUtf8, parseJson } from '../tools/lockfile/json-text';
import { parseLock } from '../tools/lockfile/parse';
import { type GateInput, gateInputOf } from './gate-input';

/** Both lock files, read, and what lies between them. */
export interface LockChange {
  readonly head: LockSide;
  readonly base: LockSide | null;
  readonly changes: readonly PackageChange[];
}

/** What every finding agent starts from. */
export interface Analysis extends LockChange {
  readonly input: GateInput;
  /** Installed bytes by location, with the document they were read from; null where nothing was measured. */
  readonly installed: JsonObject | null;
}

/** The agent's own limit is the one that counts: a big lock file is slow to read, and no reason to read it again. */
const READ_TIMEOUT_MS = 24 * 3_600_000;

/**
 * Analyses under way, by content. The finding agents run side by side on the same two files, which may be 25 MB each;
 * they share one reading, and nothing is kept once the last of them has it.
 */
const underWay = new Map<string, Promise<LockChange>>();

/** Reads the run's lock files and compares them. */
export async function analyse(task: AgentTask, context: AgentContext): Promise<Analysis> {
  const input = gateInputOf(task.input);
  context.heartbeat('reading the lock files');
  const change = await shared(input, context);
  context.signal.throwIfAborted();
  const installed = input.installed === undefined ? null : await readInstalled(input.installed, context);
  context.signal.throwIfAborted();
  return { input, installed, ...change };
}

/** Reads the head alone, for who needs nothing to compare it with. */
export async function readHead(task: AgentTask, context: AgentContext): Promise<LockSide> {
  const { head, headName } = gateInputOf(task.input);
  context.heartbeat('reading the lock file');
  return await readSide(head, headName, context);
}

async function shared(input: GateInput, context: AgentContext): Promise<LockChange> {
  // Names are part of the key because failures name the file.
  const key = JSON.stringify([input.head.blob, input.headName, input.base?.blob, input.baseName]);
  const running = underWay.get(key);
  if (running !== undefined) return await running;
  const reading = read(input, context);
  underWay.set(key, reading);
  try {
    return await reading;
  } finally {
    underWay.delete(key);
  }
}

async function read(input: GateInput, context: AgentContext): Promise<LockChange> {
  const head = await readSide(input.head, input.headName, context);
  const base = input.base === null ? null : await readSide(input.base, input.baseName ?? 'base', context);
  return { head, base, changes: await diffLocks(base, head) };
}

/** A tool call of a small result: the lock itself, which may be huge, stays here, and is read again where only its outcome is known. */
async function readSide(ref: BlobRef, name: string, context: AgentContext): Promise<LockSide> {
  let side: LockSide | undefined;
  const parse = async (): Promise<LockSide> =>
    sideOf(await buildGraph(await parseLock(await context.blobs.read(ref), name)));
  await context.tool(
    {
      name: 'lockfile.read',
      arguments: { blob: ref.blob, name },
      step: 'read',
      sideEffects: 'none',
      timeoutMs: READ_TIMEOUT_MS,
    },
    async () => {
      side = await parse();
      return { nodes: side.graph.nodes.length };
    },
  );
  return side ?? (await parse());
}

async function readInstalled(ref: BlobRef, context: AgentContext): Promise<JsonObject> {
  const document: Json = await parseJson(decodeUtf8(await context.blobs.read(ref)));
  if (typeof document !== 'object' || document === null || Array.isArray(document)) {
    throw new AppError('INPUT_INVALID', 'the installed sizes must be an object of bytes by location');
  }
  return document as JsonObject;
}
