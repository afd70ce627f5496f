import { BroadcastChannel, isMainThread } from 'node:worker_threads';
import { setTimeout as sleep } from 'node:timers/promises';

// Loaded before a worker that a benchmark started with --expose-gc, in its main thread and in those of the SDK: collects the
// garbage of all of them when it is asked to, so that its memory can be measured and not the moment at which V8 last looked.
const threads = new BroadcastChannel('ensemble-bench-collect');
threads.unref();
/** What a thread needs for it, and more. */
const COLLECTING_MS = 500;

if (isMainThread)
  process.on('message', (message) => {
    if (message === 'collect') void collect();
  });
else threads.onmessage = () => globalThis.gc?.();

async function collect(): Promise<void> {
  threads.postMessage('collect');
  globalThis.gc?.();
  await sleep(COLLECTING_MS);
  process.send?.({ collected: process.memoryUsage() });
}
