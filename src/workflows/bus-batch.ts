import { LIMITS } from '../protocol/limits';
import type { Undecodable } from '../protocol/undecodable';
import { nestedDeeperThan } from '../protocol/nesting';

/** An argument of a signal that waits to be routed, and what it takes in an activity's input. */
export interface WaitingBatch {
  readonly batch: unknown;
  readonly bytes: number;
}

/** Deeper than any message, and shallow enough to be written as JSON again. */
const JSON_DEPTH = 500;
const PAYLOAD_BYTES = 100;

/**
 * Takes what a signal brought. What could not be handed on, since Temporal would refuse it as an input or it cannot be
 * written again, becomes its reason: an error here would fail the workflow task for ever.
 */
export function waitingBatch(batch: unknown): WaitingBatch {
  // Bytes come from another realm: no instances of this one's arrays, but views all the same.
  if (ArrayBuffer.isView(batch)) return bounded(batch, batch.byteLength);
  if (nestedDeeperThan(JSON_DEPTH, batch)) return refusal(`it is nested deeper than ${JSON_DEPTH} levels`);
  return bounded(batch, new TextEncoder().encode(JSON.stringify(batch) ?? '').byteLength);
}

/** The first of the waiting batches, as many as one call may take; at least one. */
export function firstBatches(waiting: readonly WaitingBatch[], most: number): readonly WaitingBatch[] {
  let sum = 0;
  const past = waiting.findIndex(({ bytes }, index) => {
    sum += bytes;
    return index > 0 && (sum > LIMITS.busCallBytes || index >= most);
  });
  return waiting.slice(0, past < 0 ? waiting.length : past);
}

/** Whether an execution can hand all of them to the next one. */
export function canGoAlong(waiting: readonly WaitingBatch[]): boolean {
  return waiting.reduce((sum, { bytes }) => sum + bytes, 0) <= LIMITS.busCarriedBytes;
}

function bounded(batch: unknown, bytes: number): WaitingBatch {
  if (bytes > LIMITS.busCallBytes)
    return refusal(
      `the batch has ${bytes} bytes; the limit is ${LIMITS.busCallBytes} (busCallBytes): send less at once`,
    );
  return { batch, bytes: bytes + PAYLOAD_BYTES };
}

function refusal(undecodable: string): WaitingBatch {
  const batch: Undecodable = { undecodable };
  return { batch, bytes: undecodable.length + PAYLOAD_BYTES };
}
