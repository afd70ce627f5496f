import type { Carried } from '../protocol/carried';
import type { Failure } from '../protocol/failures';
import type { Json, Value } from '../protocol/json';
import { LIMITS } from '../protocol/limits';
import { Packer } from '../core/carry/packer';
import { Unpacker } from '../core/carry/unpacker';
import { storeValues } from './activities';
import type { RunState } from './run-state';
import type { StepRun } from './run-step';

/** Values larger than a reference, which is what becomes of them where all together are too large. */
const WORTH_STORING_BYTES = 300;
const STORED_AT_ONCE_BYTES = 512 * 1024;

/** Everything that the run's next workflow must know. */
export function carriedFrom(run: RunState, root: StepRun, stored: Replacements): Carried {
  const packer = new Packer(stored);
  const plan = root.carried(packer);
  const own = new Set(['task', 'run_id', 'status']);
  const context = run.shared.book
    .all()
    .filter(([key]) => !own.has(key))
    .map(([key, { value, version, author }]) => {
      return { key, ...(value === undefined ? {} : { value: packer.value(value) }), version, author };
    });
  return {
    schemaVersion: 1,
    continued: (run.input.carried?.continued ?? 0) + 1,
    values: packer.values,
    names: packer.names,
    facts: factsAbout(run, packer.values),
    context,
    usage: run.usage,
    degraded: run.degraded,
    ...run.progress.carried(),
    roster: run.roster.list(),
    used: run.used,
    tellsEnd: run.tellsEnd,
    ...(run.heard.size === 0 ? {} : { heard: Object.fromEntries(run.heard) }),
    plan,
  };
}

/** Puts a run that has continued as new where it was; its plan goes on by itself. */
export function restore(run: RunState, carried: Carried): Unpacker {
  const unpacker = new Unpacker(carried);
  for (const { key, value, version, author } of carried.context)
    run.shared.book.restore(key, {
      ...(value === undefined ? {} : { value: unpacker.value(value) }),
      version,
      author,
    });
  run.facts = { ...run.facts, ...carried.facts };
  run.usage = carried.usage;
  run.degraded = [...carried.degraded];
  run.used = carried.used;
  // It may have been asked anew by now: signals come before anything else.
  run.tellsEnd ||= carried.tellsEnd;
  for (const [address, seq] of Object.entries(carried.heard ?? {})) run.heard.set(address, seq);
  run.roster.restore(carried.roster);
  run.progress.restore(carried.executions, carried.earlierExecutions);
  return unpacker;
}

/** Values that were stored because all together were too large, by what stands in their place. */
export type Replacements = Map<Value, Value>;

/** What is too large, and what in it is worth storing as blobs; undefined where it fits. */
export function tooLarge(carried: Carried): Large | undefined {
  const bytes = bytesOf(carried);
  if (bytes <= LIMITS.carriedBytes) return undefined;
  return { bytes, batch: largest(carried.values) };
}

interface Large {
  readonly bytes: number;
  readonly batch: readonly Extract<Value, { inline: Json }>[];
}

interface Shrinking extends Large {
  readonly stored: Replacements;
}

/** Makes blobs of the large values. Where there are none, the run cannot go on. */
export async function storeLargest(
  run: RunState,
  { bytes, batch, stored }: Shrinking,
): Promise<Failure | undefined> {
  if (batch.length === 0) {
    const message = `The run has ${bytes} bytes of state to carry on; the limit is ${LIMITS.carriedBytes}: let agents set fewer context keys, and maps go over fewer entries`;
    return { code: 'RUN_LIMIT', message };
  }
  const { tenantId, runId } = run.input;
  const values = batch.map(({ inline }) => inline);
  const answer = await storeValues({ tenantId, runId, values, factsWanted: allWanted(run) });
  for (const [index, value] of batch.entries()) stored.set(value, answer.values[index] ?? value);
  run.learn(answer.facts);
  return undefined;
}

function largest(values: readonly Value[]): Extract<Value, { inline: Json }>[] {
  let room = STORED_AT_ONCE_BYTES;
  return values.flatMap((value) => {
    if (!('inline' in value)) return [];
    const bytes = bytesOf(value);
    if (bytes <= WORTH_STORING_BYTES || bytes > room) return [];
    room -= bytes;
    return [value];
  });
}

function factsAbout({ facts, input }: RunState, values: readonly Value[]): Carried['facts'] {
  const known = [...values].flatMap((value) => {
    const about = 'ref' in value ? facts[value.ref.blob] : undefined;
    return 'ref' in value && about !== undefined ? [[value.ref.blob, about] as const] : [];
  });
  return Object.fromEntries(known.filter(([blob, about]) => about !== input.facts?.[blob]));
}

/** Whatever is asked of anything: where a value came from is not known any more. */
function allWanted({ wanted }: RunState): readonly string[] {
  const groups = [
    ...Object.values(wanted.outputs),
    ...Object.values(wanted.context),
    wanted.input,
    wanted.task,
  ];
  return [...new Set(groups.flat())].toSorted();
}

/** In UTF-8, as it travels. */
function bytesOf(value: unknown): number {
  return new TextEncoder().encode(JSON.stringify(value)).length;
}
