import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Client } from '@temporalio/client';
import { dataConverter } from '../../../src/runtime/data-converter';
import { TolerantWorker } from '../../../src/runtime/tolerant-worker';

export const HISTORIES = join(__dirname, '..', 'histories');

/** One execution of one workflow, as JSON. */
export interface RecordedHistory {
  readonly workflowId: string;
  readonly history: unknown;
}

/** Every history that was ever recorded, named by scenario and commit. */
export function goldenHistories(): readonly RecordedHistory[] {
  return readdirSync(HISTORIES, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.json'))
    .toSorted()
    .map((name) => JSON.parse(readFileSync(join(HISTORIES, name), 'utf8')) as RecordedHistory);
}

export function goldenNames(): readonly string[] {
  return readdirSync(HISTORIES, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.json'))
    .map((name) => basename(name).replace(/-\d+\.json$/, ''));
}

/** All executions of a workflow, the first one first. */
export async function historiesOf(temporal: Client, workflowId: string): Promise<RecordedHistory[]> {
  const found: RecordedHistory[] = [];
  for (let execution: string | undefined; ;) {
    const history = await temporal.workflow.getHandle(workflowId, execution).fetchHistory();
    const [first] = history.events ?? [];
    found.unshift({ workflowId, history: written(history) });
    const before = first?.workflowExecutionStartedEventAttributes?.continuedExecutionRunId;
    if (before === undefined || before === null || before === '') return found;
    execution = before;
  }
}

const OF_THE_MACHINE = new Set(['identity', 'stackTrace', 'binaryChecksum', 'workerVersion']);
const STICKY = 2;

/**
 * A history as plain JSON: bytes as `{base64}`, long numbers as numbers. Without what names the machine that it ran on,
 * which says nothing about the run.
 */
function written(part: unknown): unknown {
  if (part instanceof Uint8Array) return { base64: Buffer.from(part).toString('base64') };
  if (Array.isArray(part)) return part.map(written);
  if (typeof part !== 'object' || part === null) return part;
  if ('toNumber' in part && typeof part.toNumber === 'function') return part.toNumber() as number;
  const kept = Object.entries(part).filter(([key, value]) => !OF_THE_MACHINE.has(key) && value !== null);
  const plain = Object.fromEntries(kept.map(([key, value]) => [key, written(value)]));
  return plain['kind'] === STICKY && 'name' in plain ? { ...plain, name: 'sticky' } : plain;
}

function read(part: unknown): unknown {
  if (Array.isArray(part)) return part.map(read);
  if (typeof part !== 'object' || part === null) return part;
  if ('base64' in part && typeof part.base64 === 'string') return Buffer.from(part.base64, 'base64');
  return Object.fromEntries(Object.entries(part).map(([key, value]) => [key, read(value)]));
}

/** What is wrong with replaying these on a bundle: one line for each that does not. */
export async function replayProblems(code: string, histories: readonly RecordedHistory[]): Promise<string[]> {
  const results = TolerantWorker.runReplayHistories(
    { workflowBundle: { code }, dataConverter, replayName: `replay-${crypto.randomUUID()}` },
    histories.map(({ workflowId, history }) => ({ workflowId, history: read(history) })),
  );
  const problems: string[] = [];
  for await (const { workflowId, error } of results)
    if (error !== undefined) problems.push(`${workflowId}: ${error.message}`);
  return problems;
}
