import { hrtime } from 'node:process';
import { Given, type Said } from './distant-words';
import { attend, openPlace } from './hall';

// A member in a process of its own, forked by the benchmark of deliveries: it reads one message after the other, and tells
// which came when. The clock is the machine's: it counts the same in every process.

function say(said: Said): void {
  process.send?.(said);
}

async function read(given: unknown): Promise<void> {
  const { environment, runId, name } = Given.parse(given);
  await using place = openPlace(environment);
  using bus = await attend(place, { runId, name });
  while (process.connected) {
    const received = bus.receive({ timeoutMs: 20_000 });
    say({ listening: true });
    const message = await received;
    if (message === undefined) return;
    say({ content: message.content, atNs: String(hrtime.bigint()) });
    await bus.commit();
  }
}

process.once('message', (given) => {
  read(given).catch((error: unknown) => {
    process.stderr.write(`${String(error)}\n`);
    process.exitCode = 1;
    process.disconnect();
  });
});
