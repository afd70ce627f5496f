import type { PreviousOutput } from '../protocol/run';

/** What came before a step: the first `length` outputs of a step around it, behind what came before that one. */
export interface Trail {
  readonly before?: Trail | undefined;
  /** It may grow; what is added later came later. */
  readonly outputs: readonly PreviousOutput[];
  readonly length: number;
}

export const NO_TRAIL: Trail = { outputs: [], length: 0 };

/** Outputs at most, and bytes of values among them, that travel with an activity; a value of the plan may be large. */
const MOST = 50;
const MOST_BYTES = 32 * 1024;

/** The latest of what came before, in its order, and how many others there are. */
export function latestOf(trail: Trail, most: number = MOST): { previous: PreviousOutput[]; earlier: number } {
  const latest: PreviousOutput[] = [];
  let earlier = 0;
  let bytes = 0;
  for (let at: Trail | undefined = trail; at !== undefined; at = at.before) {
    let index = at.length - 1;
    for (; index >= 0 && latest.length < most && earlier === 0; index -= 1) {
      const output = at.outputs[index];
      if (output === undefined) continue;
      bytes += output.output === undefined ? 0 : JSON.stringify(output.output).length;
      if (bytes > MOST_BYTES) break;
      latest.push(output);
    }
    earlier += index + 1;
  }
  return { previous: latest.toReversed(), earlier };
}

/** All of what came before, in its order. */
export function allOf(trail: Trail): readonly PreviousOutput[] {
  const parts: (readonly PreviousOutput[])[] = [];
  for (let at: Trail | undefined = trail; at !== undefined; at = at.before)
    parts.push(at.outputs.slice(0, at.length));
  return parts.toReversed().flat();
}
