import type { Lane } from '../../protocol/message';

/** What the log knows of a publisher. */
export interface PublisherState {
  /** 0 before its first message. */
  readonly last: number;
  readonly turn: number;
  readonly attempt: number;
  /** The first number of the turn: where another attempt compares from. */
  readonly turnFrom: number;
}

export const NEW_PUBLISHER: PublisherState = { last: 0, turn: 0, attempt: 0, turnFrom: 1 };

/**
 * `apply`: whatever of it is numbered after the last. `gap`: something before it is missing, nothing may be applied.
 * `fenced`: a later turn or attempt has been heard of.
 */
export type LaneVerdict =
  | { readonly type: 'apply'; readonly state: PublisherState }
  | { readonly type: 'gap'; readonly state: PublisherState }
  | { readonly type: 'fenced' };

/** What is to be done with a batch of `count` items, by the publisher's number and fence. */
export function judgeLane(state: PublisherState, lane: Lane, count: number): LaneVerdict {
  if (lane.turn < state.turn || (lane.turn === state.turn && lane.attempt < state.attempt))
    return { type: 'fenced' };
  const raised =
    lane.turn > state.turn
      ? { ...state, turn: lane.turn, attempt: lane.attempt, turnFrom: state.last + 1 }
      : { ...state, attempt: lane.attempt };
  // An attempt's first batch is empty and only raises the fence, wherever it says it starts.
  if (count > 0 && lane.from > state.last + 1) return { type: 'gap', state: raised };
  return { type: 'apply', state: raised };
}
