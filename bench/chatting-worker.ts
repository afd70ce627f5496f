import { once } from 'node:events';
import { Cleanup } from '../src/runtime/cleanup';
import { chatters } from './chatting';
import { startOurs } from './rig';

/** A worker of the product whose members chat; until it is told to stop. */
async function main(): Promise<void> {
  await using cleanup = new Cleanup();
  await startOurs(process.env, chatters(Number(process.env['BENCH_PAIRS'])), cleanup);
  process.send?.('ready');
  await Promise.race([once(process, 'SIGTERM'), once(process, 'disconnect')]);
}

void main().then(
  () => process.exit(),
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
    process.exit(1);
  },
);
