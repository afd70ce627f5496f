import { FAULT_NAMES, type FaultName } from './faults';
import type { RecordedRequest, ScriptedAnswer, ScriptStep } from './script';

export interface SeededOptions {
  readonly seed: number;
  /** Share of requests that meet a fault, between 0 and 1. */
  readonly share: number;
  readonly faults?: readonly FaultName[];
  readonly answer?: ScriptedAnswer;
}

/** A script of faults drawn by a seed: the same seed draws the same fault for the same request, by its number. */
export function seededScript(
  options: SeededOptions,
): (request: RecordedRequest, index: number) => ScriptStep {
  const { seed, share, faults = FAULT_NAMES, answer = { text: 'An answer.' } } = options;
  return (_request, index) => {
    const fault = faults[Math.floor(draw(seed, index * 2 + 1) * faults.length)];
    return draw(seed, index * 2) < share && fault !== undefined ? { fault } : answer;
  };
}

/** A number between 0 and 1 that depends on seed and index alone, whatever order requests come in. */
function draw(seed: number, index: number): number {
  let state = (Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(index + 1, 0xc2b2ae35)) >>> 0;
  state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) >>> 0;
  state = Math.imul(state ^ (state >>> 12), 0x297a2d39) >>> 0;
  return ((state ^ (state >>> 15)) >>> 0) / 2 ** 32;
}
