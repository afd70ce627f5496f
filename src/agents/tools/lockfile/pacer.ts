import { setImmediate as nextTurn } from 'node:timers/promises';

/** Yields to the event loop in long loops, so that heartbeats and cancellation get through. */
export class Pacer {
  private since = performance.now();

  constructor(private readonly sliceMs = 12) {}

  /** True when this turn of the event loop has been held long enough; then await `pause()`. */
  due(): boolean {
    return performance.now() - this.since > this.sliceMs;
  }

  async pause(): Promise<void> {
    await nextTurn();
    this.since = performance.now();
  }
}

/** Visits every item, yielding to the event loop in between. */
export async function forEachPaced<Item>(items: Iterable<Item>, visit: (item: Item) => void): Promise<void> {
  const pacer = new Pacer();
  for (const item of items) {
    visit(item);
    if (pacer.due()) await pacer.pause();
  }
}

/** What `find` says of every item, without its nulls, yielding to the event loop in between. */
export async function collectPaced<Item, Found>(
  items: Iterable<Item>,
  find: (item: Item) => Found | null,
): Promise<readonly Found[]> {
  const found: Found[] = [];
  await forEachPaced(items, (item) => {
    const one = find(item);
    if (one !== null) found.push(one);
  });
  return found;
}
