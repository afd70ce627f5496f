import { Buses } from '../activities/bus/buses';
import type { RunNotifications } from '../db/notifications';
import type { Repositories } from '../db/repositories';
import { BusConnection } from './bus-signals';
import type { TemporalTarget } from './temporal';

interface BusesOptions {
  readonly repositories: Repositories;
  readonly notifications: RunNotifications;
  readonly target: TemporalTarget;
  readonly taskQueue: string;
  /** How long what was read before it was in the log may take to be there. */
  readonly loggedWithinMs?: number;
}

/** What a process that talks owns: its outboxes, and their connection to Temporal. */
export interface OwnedBuses extends AsyncDisposable {
  readonly buses: Buses;
}

export function createBuses({
  repositories,
  notifications,
  loggedWithinMs,
  ...signalling
}: BusesOptions): OwnedBuses {
  const signals = new BusConnection(signalling);
  return {
    buses: new Buses({ repositories, notifications, signals, loggedWithinMs }),
    [Symbol.asyncDispose]: () => signals[Symbol.asyncDispose](),
  };
}
