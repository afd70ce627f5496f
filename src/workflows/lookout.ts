import { patched } from '@temporalio/workflow';
import { failureOf } from './failure';
import type { Failure } from '../protocol/failures';
import type { RunState } from './run-state';
import { startSleepTimer, startTimer, type Timer } from './timer';

/** A signal can be lost with its bus; a message cannot. From here on seldom: a wait may last a year. */
const LOOK_AGAIN_MS = 30_000;
const LOOK_AGAIN_MOST_MS = 3_600_000;

export interface Looking<T> {
  readonly address: string;
  /** Whether it is a member that sleeps: its looks alone move no run. */
  readonly asleep: boolean;
  readonly ask: () => Promise<T>;
  /** True where nothing more is to be looked for. */
  readonly take: (answer: T | Failure) => boolean;
}

/** Asks for a message until it is there: at once, when the bus says that one came, and now and then by itself. */
export class Lookout<T> {
  private next: Timer | undefined;
  private withdraw: () => void = () => undefined;
  private looking = false;
  private again = false;
  private over = false;
  private pauseMs = LOOK_AGAIN_MS;

  constructor(
    private readonly run: RunState,
    private readonly options: Looking<T>,
  ) {}

  start(): void {
    this.run.messageWaits.set(this.options.address, () => this.wake());
    this.look();
  }

  stop(): void {
    this.over = true;
    this.withdraw();
    this.next?.stop();
    this.run.messageWaits.delete(this.options.address);
  }

  /** What it is woken by may have come after what is being looked at. */
  wake(): void {
    this.again = this.looking;
    if (!this.looking && !this.over) this.look();
  }

  /** The run neither ends nor continues as new before it has an answer. */
  private look(): void {
    this.next?.stop();
    this.withdraw();
    this.looking = true;
    this.run.gate.hold();
    const answered = this.options.ask().catch(failureOf);
    this.run.follow(answered, (answer) => {
      this.looking = false;
      if (!this.over) this.take(answer);
      this.run.gate.leave();
    });
  }

  private take(answer: T | Failure): void {
    if (this.options.take(answer)) return;
    if (this.again) {
      this.again = false;
      return this.look();
    }
    const start = this.options.asleep ? startSleepTimer : startTimer;
    this.next = start(this.run, Date.now() + this.pauseMs, () => this.lookByItself());
    this.pauseMs = Math.min(2 * this.pauseMs, LOOK_AGAIN_MOST_MS);
  }

  /** Through the gate: a year of looks would fill a history that nothing else lets continue as new. */
  private lookByItself(): void {
    if (!patched('looks-enter')) return this.look();
    this.withdraw = this.run.gate.enter(() => {
      this.look();
      this.run.gate.leave();
    });
  }
}
