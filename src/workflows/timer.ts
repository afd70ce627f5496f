import { CancellationScope, sleep } from '@temporalio/workflow';
import type { RunState } from './run-state';

/** A point in time to come. */
export interface Timer {
  /** Milliseconds since 1970: what is left of it can be waited for elsewhere. */
  readonly until: number;
  stop(): void;
}

/** Calls `ring` when the time has come, unless it is stopped before. */
export function startTimer(run: RunState, until: number, ring: () => void): Timer {
  const scope = new CancellationScope();
  let stopped = false;
  const slept = scope.run(() => sleep(Math.max(1, until - Date.now()))).catch(() => undefined);
  run.follow(slept, () => {
    if (!stopped) ring();
  });
  return {
    until,
    stop: () => {
      stopped = true;
      scope.cancel();
    },
  };
}
