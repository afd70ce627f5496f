import { setTimeout as sleep } from 'node:timers/promises';
import { Outbox } from '../../src/activities/bus/outbox';
import { textOf } from '../../src/core/text';
import type { PublisherState } from '../../src/core/bus/publisher';
import { AppError } from '../../src/protocol/failures';
import type { LanedBatch } from '../../src/protocol/message';
import { until } from './support/talk';

const lane = (publisher: string) => ({ publisher, turn: 1, attempt: 1, tokenHash: undefined });
const parcel = (id: string) => ({ id, text: JSON.stringify({ to: 'beta', content: id }), urgent: false });

/** An outbox before a way that can be cut, and what came through in its order. */
function anOutbox() {
  const arrived: string[] = [];
  const numbers = new Map<string, number>();
  const way = { cut: true, tried: 0 };
  const outbox = new Outbox({
    deliver: async (bytes) => {
      way.tried += 1;
      if (way.cut) throw new AppError('TEMPORAL_UNAVAILABLE', 'cut');
      const { lanes, items } = JSON.parse(Buffer.from(bytes).toString()) as LanedBatch;
      for (const { lane: index = 0, content } of items) {
        const { publisher = '' } = lanes[index] ?? {};
        numbers.set(publisher, (numbers.get(publisher) ?? 0) + 1);
        arrived.push(textOf(content ?? null));
      }
    },
    progress: async (names) => {
      const state = (last: number): PublisherState => ({ last, turn: 1, attempt: 1, turnFrom: 1 });
      return new Map(names.map((name) => [name, state(numbers.get(name) ?? 0)]));
    },
    changed: (timeoutMs) => sleep(Math.min(20, timeoutMs)),
    windowBytes: () => 1_000_000,
  });
  return { outbox, arrived, way };
}

test('what could not be delivered goes before what was said after it, which may be the answer to it', async () => {
  const { outbox, arrived, way } = anOutbox();
  const [alpha, beta] = [lane('alpha'), lane('beta')];
  const question = outbox.add(alpha, 1, parcel('question'));
  await until(() => way.tried > 0);
  const answer = outbox.add(beta, 1, parcel('answer'));
  way.cut = false;
  await Promise.all([question, answer]);
  expect(arrived).toEqual(['question', 'answer']);
});

test('what could not be delivered is given up with its lane, and holds up nobody else', async () => {
  const { outbox, arrived, way } = anOutbox();
  const [alpha, beta] = [lane('alpha'), lane('beta')];
  const question = outbox.add(alpha, 1, parcel('question'));
  await until(() => way.tried > 0);
  const other = outbox.add(beta, 1, parcel('other'));
  outbox.end(alpha, new AppError('ATTEMPT_FENCED', 'over'));
  way.cut = false;
  await expect(question).rejects.toMatchObject({ code: 'ATTEMPT_FENCED' });
  await other;
  expect(arrived).toEqual(['other']);
});
