import {
  ActivityFailure,
  condition,
  continueAsNew,
  defineQuery,
  defineSignal,
  getExternalWorkflowHandle,
  patched,
  proxyActivities,
  setHandler,
  sleep,
  TimeoutFailure,
  workflowInfo,
} from '@temporalio/workflow';
import type { Activities } from '../activities';
import type { RouteAnswer, Wake } from '../activities/route-messages';
import { busQueueOf, CLOSE_SIGNAL, DELIVER_SIGNAL, WAKE_SIGNAL } from '../core/bus/names';
import { workflowIdOf } from '../core/ids';
import { LIMITS } from '../protocol/limits';
import { canGoAlong, firstBatches, type WaitingBatch, waitingBatch } from './bus-batch';
import { checkBusInput, type BusInput } from './bus-input';

const deliverSignal = defineSignal<unknown[]>(DELIVER_SIGNAL);
const closeSignal = defineSignal(CLOSE_SIGNAL);
const countsQuery = defineQuery<BusCounts>('bus.counts');

/** What this execution of a bus has seen; messages and mailboxes are counted in PostgreSQL. */
interface BusCounts {
  readonly signals: number;
  readonly waiting: number;
  readonly calls: number;
}

const IDLE_MS = 600_000;
/** What one call took, and what went along at most, before histories had the patch. */
const FEW_BATCHES = 200;
/** Of a flooded bus: while one of its long calls is under way thousands more may come, and the server refuses the 10,000th. */
const FLOODED_SIGNALS = 4_000;

const ROUTING = {
  startToCloseTimeout: '60s',
  // A worker that died with a call keeps everybody's messages waiting for so long.
  heartbeatTimeout: '5s',
  // Messages wait for as long as PostgreSQL is away.
  retry: { initialInterval: '200ms', backoffCoefficient: 2, maximumInterval: '5s' },
} as const;
type Routing = Pick<Activities, 'routeMessages'>;
/** On the worker's own queue, where a call that finds a slot starts with the workflow task that makes it. */
const atOnce = proxyActivities<Routing>({ ...ROUTING, scheduleToStartTimeout: '2s' });

/**
 * The queue of one run's messages: durable, ordered, and nothing else. It hands what signals bring to `routeMessages`,
 * one call at a time, and keeps no mailbox, no sender and no number: a bus that is restarted, reset or doubled is right
 * from its first message. What it does not understand is for `routeMessages` to bury. Batches that were waiting when it
 * continued as new come as further arguments.
 */
export async function messageBus(input: BusInput, ...carried: unknown[]): Promise<void> {
  checkBusInput(input);
  const bus = new Bus(input, carried);
  setHandler(deliverSignal, (...batches) => bus.deliver(batches), {
    description: 'Batches of messages, each an argument: JSON, or bytes of compressed JSON',
  });
  setHandler(closeSignal, () => bus.close(), { description: 'Ends the bus once everything is routed' });
  setHandler(countsQuery, () => bus.counts(), { description: 'What this execution of the bus has seen' });
  const left = await bus.run();
  if (left !== undefined) await continueAsNew<typeof messageBus>(input, ...left);
}

class Bus {
  private readonly waiting: WaitingBatch[];
  private signals = 0;
  private calls = 0;
  private closing = false;
  private asking = false;
  private crowded = false;
  /** Told to the run by this execution: until the run has looked, every call answers it again. */
  private readonly told = new Set<string>();

  constructor(
    private readonly input: BusInput,
    carried: readonly unknown[],
  ) {
    this.waiting = carried.map(waitingBatch);
  }

  deliver(batches: readonly unknown[]): void {
    this.signals += 1;
    // Not a copy of what waits: under a flood of signals this runs thousands of times in one workflow task.
    for (const batch of batches) this.waiting.push(waitingBatch(batch));
  }

  close(): void {
    this.closing = true;
  }

  counts(): BusCounts {
    return { signals: this.signals, waiting: this.waiting.length, calls: this.calls };
  }

  /** Routes until the bus is closed; earlier where it is to continue as new, with what is left to route. */
  async run(): Promise<readonly unknown[] | undefined> {
    void this.watchIdleness();
    for (;;) {
      await condition(() => this.waiting.length > 0 || this.closing || this.asking || this.isDue());
      const flooded = this.waiting.length > FEW_BATCHES && patched('more-at-once');
      const next = firstBatches(this.waiting, flooded ? LIMITS.busCallBatches : FEW_BATCHES);
      // Under load there is no moment without any waiting: it goes along, or the server's limit of signals would be met.
      const goesAlong = flooded ? canGoAlong(this.waiting) : next.length === this.waiting.length;
      const due = this.isDue() || (flooded && this.signals >= FLOODED_SIGNALS);
      if (!this.closing && due && goesAlong) return this.waiting.map(batchOf);
      if (this.closing && next.length === 0) return undefined;
      await this.route(next);
    }
  }

  /** The server counts events and bytes; signals have a limit of their own. */
  private isDue(): boolean {
    return this.signals >= LIMITS.busSignals || workflowInfo().continueAsNewSuggested;
  }

  private async route(batches: readonly WaitingBatch[]): Promise<void> {
    this.asking = false;
    this.calls += 1;
    this.waiting.splice(0, batches.length);
    const { closed, wakes = [] } = await this.call(batches.map(batchOf));
    this.wake(wakes);
    // The run is over: whatever still comes is routed to the dead letters, and then there is nothing more to do.
    if (closed) this.closing = true;
  }

  /** Nobody's messages wait until the run has heard. */
  private wake(wakes: readonly Wake[]): void {
    const fresh = wakes.filter(({ address, seq }) => !this.told.has(`${address} ${seq}`));
    if (fresh.length === 0) return;
    for (const { address, seq } of fresh) this.told.add(`${address} ${seq}`);
    getExternalWorkflowHandle(workflowIdOf(this.input.runId))
      .signal(WAKE_SIGNAL, ...fresh.map(({ address }) => address))
      // It is over, or looks for itself.
      .catch(() => undefined);
  }

  /** Members that wait for messages can hold every slot of the worker's queue; routing has one of its own for that. */
  private async call(batches: readonly unknown[]): Promise<RouteAnswer> {
    if (!this.crowded)
      try {
        return await atOnce.routeMessages(this.input, ...batches);
      } catch (error) {
        if (!isNeverStarted(error)) throw error;
        this.crowded = true;
      }
    const taskQueue = busQueueOf(workflowInfo().taskQueue);
    return proxyActivities<Routing>({ ...ROUTING, taskQueue }).routeMessages(this.input, ...batches);
  }

  /** Asks after a while without signals whether the run is still open. One timer, since a timer for each wait is two events. */
  private async watchIdleness(): Promise<void> {
    while (!this.closing) {
      const seen = this.signals;
      await sleep(IDLE_MS);
      if (seen === this.signals) this.asking = true;
    }
  }
}

function isNeverStarted(error: unknown): boolean {
  return (
    error instanceof ActivityFailure &&
    error.cause instanceof TimeoutFailure &&
    error.cause.timeoutType === 'SCHEDULE_TO_START'
  );
}

function batchOf({ batch }: WaitingBatch): unknown {
  return batch;
}
