import { defineSignal } from '@temporalio/workflow';
import type { CarriedStep } from '../protocol/carried';
import type { Failure } from '../protocol/failures';
import type { WaitStep } from '../protocol/plan';
import type { MessageLook } from '../protocol/run';
import { withoutRounds } from '../core/addresses';
import { WAKE_SIGNAL } from '../core/bus/names';
import { factsWantedAt } from '../core/plan/facts-wanted';
import { leavesOf } from '../core/strategies/child-scope';
import { lookForMessage } from './activities';
import { failureOf } from './failure';
import type { RunState } from './run-state';
import type { AttemptEnd, Place, Running } from './running';
import { startTimer, type Timer } from './timer';
import { beginWait, type Waiting } from './wait';

/** From the run's bus, by the addresses of steps. */
export const messageCame = defineSignal<string[]>(WAKE_SIGNAL);

/** A signal can be lost with its bus; a message cannot. From here on seldom: a wait may last a year. */
const LOOK_AGAIN_MS = 30_000;
const LOOK_AGAIN_MOST_MS = 3_600_000;

/**
 * A step that waits for a message of the run's log, whoever it is for. It looks once, which registers it where there is
 * none, and again when the bus says so. Its output is the message.
 */
export class MessageWait implements Running {
  private deadline: Timer | undefined;
  private next: Timer | undefined;
  private withdraw: () => void = () => undefined;
  private looking = false;
  private again = false;
  private over = false;
  private pauseMs = LOOK_AGAIN_MS;

  constructor(
    private readonly run: RunState,
    private readonly place: Place<Extract<WaitStep, { for: 'message' }>>,
    private readonly waiting: Waiting,
  ) {
    const wait = { until: waiting.until, forMs: place.step.timeoutMs };
    this.withdraw = beginWait(run, wait, (until) => this.start(until));
  }

  stop(): void {
    this.over = true;
    this.withdraw();
    this.deadline?.stop();
    this.next?.stop();
    this.run.messageWaits.delete(this.place.address);
  }

  carried(): Partial<CarriedStep> {
    return this.deadline === undefined ? {} : { until: this.deadline.until };
  }

  private start(until: number): void {
    this.deadline = startTimer(this.run, until, () => {
      const message = `No message that the step waits for came within ${this.place.step.timeoutMs} ms`;
      this.fail({ code: 'STEP_TIMEOUT', message });
    });
    this.run.messageWaits.set(this.place.address, () => this.wake());
    this.look(until);
  }

  private wake(): void {
    // What woke it may have come after what is being looked at.
    this.again = this.looking;
    if (!this.looking && this.deadline !== undefined) this.look(this.deadline.until);
  }

  /** The run neither ends nor continues as new before it has an answer. */
  private look(untilMs: number): void {
    this.next?.stop();
    this.looking = true;
    this.run.gate.hold();
    const answered = this.ask(untilMs).catch(failureOf);
    this.run.follow(answered, (answer) => {
      this.looking = false;
      if (!this.over) this.take(answer, untilMs);
      this.run.gate.leave();
    });
  }

  private async ask(untilMs: number): Promise<MessageLook> {
    const { tenantId, runId } = this.run.input;
    const { address, step } = this.place;
    const { from, messageType: type, where } = step;
    return lookForMessage({
      tenantId,
      runId,
      address,
      wanted: { from, type, where },
      after: this.run.heard.get(withoutRounds(address)) ?? 0,
      untilMs,
      inlineBytes: this.run.inlineBytes,
      factsWanted: factsWantedAt(this.run.wanted, address),
    });
  }

  private take(answer: MessageLook | Failure, untilMs: number): void {
    if ('code' in answer) return this.fail(answer);
    if (answer.found !== undefined) return this.hear(answer.found);
    if (this.again) {
      this.again = false;
      return this.look(untilMs);
    }
    this.next = startTimer(this.run, Date.now() + this.pauseMs, () => this.look(untilMs));
    this.pauseMs = Math.min(2 * this.pauseMs, LOOK_AGAIN_MOST_MS);
  }

  private hear({ seq, output, facts }: NonNullable<MessageLook['found']>): void {
    const { address, step } = this.place;
    this.run.learn(facts);
    this.run.heard.set(withoutRounds(address), seq);
    const outcome = { type: 'done', output, leaves: leavesOf(step, output) } as const;
    this.end({ outcome, outputs: [{ address, agent: step.type, output }], own: false });
  }

  private fail(failure: Failure): void {
    this.end({ outcome: { type: 'failed', failure }, outputs: [], own: true });
  }

  private end(end: AttemptEnd): void {
    if (this.over) return;
    this.stop();
    this.waiting.ended(end);
  }
}
