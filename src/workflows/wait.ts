import type { AttemptEnd, Done } from './running';
import type { RunState } from './run-state';

/** What a step that waits is given. */
export interface Waiting {
  readonly ended: Done<AttemptEnd>;
  /** Its end, where it had begun before the workflow continued as new. */
  readonly until: number | undefined;
}

/** Lets a wait begin that ends after so long; answers how to withdraw it before it does. */
export function beginWait(
  run: RunState,
  { until, forMs }: { readonly until: number | undefined; readonly forMs: number },
  start: (until: number) => void,
): () => void {
  // One that had begun goes on; only what is new has to wait for its turn.
  if (until === undefined)
    return run.gate.enter(() => {
      start(Date.now() + forMs);
      run.gate.leave();
    });
  start(until);
  return () => undefined;
}
