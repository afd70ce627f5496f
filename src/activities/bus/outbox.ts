import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { deflate } from 'node:zlib';
import type { PublisherState } from '../../core/bus/publisher';
import { AppError } from '../../protocol/failures';
import { LIMITS } from '../../protocol/limits';
import type { Lane } from '../../protocol/message';
import { sign } from './signature';

/** A lane of an outbox: who sends, under which fence, and what proves it. */
export interface OutboxLane {
  readonly publisher: string;
  readonly turn: number;
  readonly attempt: number;
  /** The attempt's token, for members. */
  readonly tokenHash: string | undefined;
}

/** One item on its way into the log. */
interface Parcel {
  readonly lane: OutboxLane;
  /** Its place among all that were ever added. */
  readonly place: number;
  /** 0 for a batch without items, which only raises the fence. */
  readonly number: number;
  readonly id: string;
  /** JSON of the item. */
  readonly text: string;
  readonly urgent: boolean;
  readonly resolve: (id: string) => void;
  readonly reject: (error: Error) => void;
  sentAt: number;
}

export interface OutboxOptions {
  /** Hands a batch to the bus. Rejects with BUS_CLOSED, and with anything else to be tried again. */
  readonly deliver: (batch: Uint8Array) => Promise<void>;
  /** How far the log has come. */
  readonly progress: (publishers: readonly string[]) => Promise<ReadonlyMap<string, PublisherState>>;
  /** Resolves when the log may have grown, at the latest after so long. */
  readonly changed: (timeoutMs: number) => Promise<void>;
  /** Bytes on their way to the log at once. */
  readonly windowBytes: () => number;
}

const FLUSH_MS = 20;
/** Before a batch goes once more that could not be delivered: what tried has taken its time already. */
const REDELIVER_MS = 100;
const RESEND_MS = 1_000;
const RESEND_MOST_MS = 5_000;
/** Of senders that have been waiting for longer, whenever something changes. */
const RESEND_SOONEST_MS = 200;
const COMPRESS_FROM_BYTES = 1024;
const compress = promisify(deflate);

/**
 * What one process sends in one run: in causal order, in batches, and again until it is in the log. Nothing goes before
 * what was added earlier has been delivered, since it may be an answer to that. A send is done when its message is in the
 * log, and the window opens with it: that is the backpressure.
 */
export class Outbox {
  private queue: Parcel[] = [];
  private flight: Parcel[] = [];
  private places = 0;
  private queueBytes = 0;
  private flightBytes = 0;
  private flushing = false;
  private watching = false;
  private pace = RESEND_MS;
  private closed: Error | undefined;
  private poke: (() => void) | undefined;

  constructor(private readonly options: OutboxOptions) {}

  /** Resolves with the item's id when it is in the log. Rejects with ATTEMPT_FENCED, BUS_CLOSED, or what ended the lane. */
  add(lane: OutboxLane, number: number, item: Pick<Parcel, 'id' | 'text' | 'urgent'>): Promise<string> {
    if (this.closed !== undefined) return Promise.reject(this.closed);
    return new Promise((resolve, reject) => {
      this.places += 1;
      this.queue.push({ lane, place: this.places, number, ...item, resolve, reject, sentAt: 0 });
      this.queueBytes += item.text.length;
      if (!this.flushing) void this.flush();
      else if (item.urgent || this.queueBytes >= this.flushBytes) this.poke?.();
    });
  }

  /** Gives up what a lane has not brought into the log. */
  end(lane: OutboxLane, reason: Error): void {
    const ended = [...this.queue, ...this.flight].filter((parcel) => parcel.lane === lane);
    this.keep((parcel) => parcel.lane !== lane);
    for (const { reject } of ended) reject(reason);
  }

  private get flushBytes(): number {
    return Math.min(LIMITS.batchBytes, this.options.windowBytes());
  }

  private async flush(): Promise<void> {
    this.flushing = true;
    while (this.queue.length > 0) {
      await this.moment();
      const batch = this.takeBatch();
      if (batch.length === 0) continue;
      try {
        await this.options.deliver(await packed(batch));
      } catch (error) {
        if (AppError.is(error) && error.code === 'BUS_CLOSED') this.close(error);
        // Whatever became of it, the log will tell; what is not there by then goes first.
        else await this.redeliver(batch);
      }
    }
    this.flushing = false;
  }

  private async redeliver(batch: readonly Parcel[]): Promise<void> {
    await sleep(REDELIVER_MS);
    const missing = new Set(this.flight);
    this.putBack(new Set(batch.filter((parcel) => missing.has(parcel))));
  }

  /** Waits for others to go along, and for the window. */
  private async moment(): Promise<void> {
    const ready = (): boolean =>
      this.queueBytes >= this.flushBytes || this.queue.some(({ urgent }) => urgent);
    // Where nothing is on its way there is nothing to be gained from more than what is said in the same moment.
    if (!ready()) await this.pause(this.flight.length > 0 ? FLUSH_MS : 1);
    while (this.flight.length > 0 && this.flightBytes >= this.options.windowBytes() && this.queue.length > 0)
      await this.pause(RESEND_MS);
  }

  private pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.poke = undefined;
        resolve();
      };
      const timer = setTimeout(done, ms);
      this.poke = done;
    });
  }

  private takeBatch(): readonly Parcel[] {
    let bytes = 0;
    const room = this.options.windowBytes() - this.flightBytes;
    const past = this.queue.findIndex(({ text }, index) => {
      bytes += text.length;
      return index > 0 && (bytes > Math.min(this.flushBytes, room) || index >= LIMITS.batchItems);
    });
    const batch = this.queue.splice(0, past < 0 ? this.queue.length : past);
    const now = performance.now();
    for (const parcel of batch) {
      parcel.sentAt = now;
      this.queueBytes -= parcel.text.length;
      this.flightBytes += parcel.text.length;
      this.flight.push(parcel);
    }
    if (!this.watching && batch.length > 0) void this.watch();
    return batch;
  }

  /** Compares what is on its way with the log, for as long as anything is. */
  private async watch(): Promise<void> {
    this.watching = true;
    while (this.flight.length + this.queue.length > 0) {
      const since = performance.now();
      await this.options.changed(this.pace);
      const woken = performance.now() - since < this.pace - 1;
      const lanes = [...new Set([...this.flight, ...this.queue].map(({ lane }) => lane.publisher))];
      try {
        this.settle(await this.options.progress(lanes));
      } catch {
        // The log cannot be read now; what is on its way waits.
        continue;
      }
      this.sendAgain(woken);
    }
    this.watching = false;
  }

  private settle(progress: ReadonlyMap<string, PublisherState>): void {
    const settled: Parcel[] = [];
    const fenced: Parcel[] = [];
    for (const parcel of [...this.flight, ...this.queue]) {
      const state = progress.get(parcel.lane.publisher);
      if (state === undefined) continue;
      const { turn, attempt } = parcel.lane;
      if (state.turn > turn || (state.turn === turn && state.attempt > attempt)) fenced.push(parcel);
      else if (state.turn === turn && state.attempt === attempt && parcel.number <= state.last)
        settled.push(parcel);
    }
    if (settled.length + fenced.length === 0) return;
    const gone = new Set([...settled, ...fenced]);
    this.keep((parcel) => !gone.has(parcel));
    for (const { id, resolve } of settled) resolve(id);
    for (const { reject } of fenced)
      reject(new AppError('ATTEMPT_FENCED', 'A later attempt took over; this one says nothing any more'));
    this.pace = RESEND_MS;
    this.poke?.();
  }

  /** What is not in the log a second after it was sent goes once more, from the first message that is missing. */
  private sendAgain(woken: boolean): void {
    const now = performance.now();
    // While nothing changes at all it is PostgreSQL that is away, and more of the same would only pile up.
    const patience = this.pace > RESEND_MS && woken ? RESEND_SOONEST_MS : this.pace;
    const late = new Set(
      this.flight.filter(({ sentAt }) => now - sentAt >= patience).map(({ lane }) => lane),
    );
    if (late.size === 0) return;
    this.putBack(new Set(this.flight.filter(({ lane }) => late.has(lane))));
    this.pace = Math.min(RESEND_MOST_MS, this.pace * 2);
    if (!this.flushing) void this.flush();
    else this.poke?.();
  }

  /** Of what is on its way, these go once more, before all that was added after them. */
  private putBack(parcels: ReadonlySet<Parcel>): void {
    this.flight = this.flight.filter((parcel) => !parcels.has(parcel));
    this.queue = [...parcels, ...this.queue].toSorted((a, b) => a.place - b.place);
    this.count();
  }

  private close(error: Error): void {
    this.closed = error;
    const all = [...this.flight, ...this.queue];
    this.keep(() => false);
    for (const { reject } of all) reject(error);
  }

  private keep(wanted: (parcel: Parcel) => boolean): void {
    this.queue = this.queue.filter(wanted);
    this.flight = this.flight.filter(wanted);
    this.count();
  }

  private count(): void {
    this.queueBytes = this.queue.reduce((sum, { text }) => sum + text.length, 0);
    this.flightBytes = this.flight.reduce((sum, { text }) => sum + text.length, 0);
  }
}

/** The argument of one signal: every lane once, the items in the order in which they were sent. */
async function packed(batch: readonly Parcel[]): Promise<Uint8Array> {
  const lanes: { readonly from: number; readonly lane: OutboxLane; readonly texts: string[] }[] = [];
  const items: string[] = [];
  for (const { lane, number, text } of batch) {
    let index = lanes.findIndex((known) => known.lane === lane);
    if (index < 0) index = lanes.push({ lane, from: Math.max(1, number), texts: [] }) - 1;
    if (number === 0) continue;
    lanes[index]?.texts.push(text);
    items.push(index === 0 ? text : `${text.slice(0, -1)},"lane":${index}}`);
  }
  const headers = lanes.map(({ lane: { publisher, turn, attempt, tokenHash }, from, texts }) => {
    const header: Lane = { publisher, turn, attempt, from, resends: true };
    return tokenHash === undefined ? header : { ...header, mac: sign(tokenHash, header, texts) };
  });
  const json = Buffer.from(`{"lanes":${JSON.stringify(headers)},"items":[${items.join(',')}]}`);
  return json.byteLength < COMPRESS_FROM_BYTES ? json : compress(json, { level: 1 });
}
