import { setTimeout as sleep } from 'node:timers/promises';

/** Waits until a condition holds; throws where that takes too long. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  timeoutMs: number = 60_000,
): Promise<void> {
  for (const deadline = Date.now() + timeoutMs; !(await condition()); await sleep(50))
    if (Date.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${condition.toString()}`);
}
