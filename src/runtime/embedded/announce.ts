/** Where a line for people goes; the caller decides which stream that is. */
export type Announce = (line: string) => void;

/** Says the steps of one thing that starts, each with the time since its beginning. */
export function stepAnnouncer(announce: Announce, name: string): Announce {
  const startedAt = performance.now();
  return (line) => announce(`  ${name.padEnd(12)} ${line} (${seconds(performance.now() - startedAt)})`);
}

/** A duration as people read it. */
function seconds(milliseconds: number): string {
  return `${(milliseconds / 1_000).toFixed(1)} s`;
}

/** Repeats a line while something long goes on, so that nothing hangs silently. */
export async function whileAnnouncing<T>(
  every: { readonly intervalMs: number; readonly say: () => void },
  work: () => Promise<T>,
): Promise<T> {
  const timer = setInterval(every.say, every.intervalMs);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}
