import { sleep } from '@temporalio/workflow';
import type { RunState } from './run-state';
import { workScope } from './work-scope';

/** A point in time to come. */
export interface Timer {
  /** Milliseconds since 1970: what is left of it can be waited for elsewhere. */
  readonly until: number;
  stop(): void;
}

/** Calls `ring` when the time has come, unless it is stopped before. */
export function startTimer(run: RunState, until: number, ring: () => void): Timer {
  run.moving += 1;
  return begin(run, until, { ring, ended: () => void (run.moving -= 1) });
}

/** The same for a member that sleeps: its time alone moves no run. */
export function startSleepTimer(run: RunState, until: number, ring: () => void): Timer {
  return begin(run, until, { ring, ended: () => undefined });
}

interface Calls {
  readonly ring: () => void;
  /** Called once, whether it rang or was stopped. */
  readonly ended: () => void;
}

function begin(run: RunState, until: number, { ring, ended }: Calls): Timer {
  const scope = workScope(run.input);
  let running = true;
  const end = (): void => {
    if (running) ended();
    running = false;
  };
  const slept = scope.run(() => sleep(Math.max(1, until - Date.now()))).catch(() => undefined);
  run.follow(slept, () => {
    if (!running) return;
    end();
    ring();
  });
  return {
    until,
    stop: () => {
      end();
      scope.cancel();
    },
  };
}
