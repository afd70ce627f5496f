import { z } from 'zod';
import type { AgentBus } from '../src/activities/bus/agent-bus';
import { attend, type Place } from './hall';

/** Messages that a sender has on their way at once. */
const IN_FLIGHT = 600;
export const BODY =
  'Three open issues: delivery times, invoices, and the warranty terms that were agreed in March. '
    .repeat(3)
    .slice(0, 200);

/** Who talks in one process: senders to everybody in `to`, and receivers; one that does both is named in both. */
export const Cast = z.object({
  runId: z.string(),
  senders: z.array(z.string()),
  receivers: z.array(z.string()),
  to: z.array(z.string()),
});
export type Cast = z.infer<typeof Cast>;

/** Members at work. */
export interface Talking {
  /** Nobody says anything more, and what was said is in the log. */
  silence(): Promise<void>;
  /** Whoever receives has read what there was. */
  end(): Promise<void>;
}

/** Lets members talk as fast as they can. */
export async function startTalking(place: Place, cast: Cast): Promise<Talking> {
  const { runId, senders, receivers, to } = cast;
  let silent = false;
  let over = false;
  const members = [...new Set([...senders, ...receivers])];
  const buses = new Map<string, AgentBus>();
  for (const name of members) buses.set(name, await attend(place, { runId, name }));
  const at = (names: readonly string[]) => names.flatMap((name) => buses.get(name) ?? []);
  const sending = Promise.all(
    at(senders).map((bus, index) => send(bus, index, { to, isOver: () => silent })),
  );
  const receiving = Promise.all(at(receivers).map((bus) => receive(bus, () => over)));
  return {
    silence: async () => {
      silent = true;
      await sending;
    },
    end: async () => {
      over = true;
      await receiving;
      for (const bus of buses.values()) bus[Symbol.dispose]();
    },
  };
}

async function send(
  bus: AgentBus,
  index: number,
  { to, isOver }: { readonly to: readonly string[]; readonly isOver: () => boolean },
): Promise<void> {
  let underWay = 0;
  let room: (() => void) | undefined;
  const arrived = (): void => {
    underWay -= 1;
    room?.();
  };
  for (let count = index; !isOver(); count += 1) {
    underWay += 1;
    void bus.send(to[count % to.length] ?? '', BODY).then(arrived);
    if (underWay >= IN_FLIGHT) await new Promise<void>((resolve) => (room = resolve));
  }
  await bus.drained();
}

async function receive(bus: AgentBus, isOver: () => boolean): Promise<void> {
  for (;;) {
    const { length } = await bus.receiveMany(1_000, { timeoutMs: 500 });
    await bus.commit();
    if (length === 0 && isOver()) return;
  }
}
