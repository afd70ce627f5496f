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
import { Lookout } from './lookout';
import type { RunState } from './run-state';
import type { AttemptEnd, Place, Running } from './running';
import { startTimer, type Timer } from './timer';
import { beginWait, type Waiting } from './wait';

/** From the run's bus, by the addresses of steps. */
export const messageCame = defineSignal<string[]>(WAKE_SIGNAL);

/**
 * A step that waits for a message of the run's log, whoever it is for. It looks once, which registers it where there is
 * none, and again when the bus says so. Its output is the message.
 */
export class MessageWait implements Running {
  private deadline: Timer | undefined;
  private lookout: Lookout<MessageLook> | undefined;
  private withdraw: () => void = () => undefined;
  private over = false;

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
    this.lookout?.stop();
  }

  carried(): Partial<CarriedStep> {
    return this.deadline === undefined ? {} : { until: this.deadline.until };
  }

  private start(until: number): void {
    this.deadline = startTimer(this.run, until, () => {
      const message = `No message that the step waits for came within ${this.place.step.timeoutMs} ms`;
      this.fail({ code: 'STEP_TIMEOUT', message });
    });
    this.lookout = new Lookout<MessageLook>(this.run, {
      address: this.place.address,
      asleep: false,
      ask: () => this.ask(until),
      take: (answer) => this.take(answer),
    });
    this.lookout.start();
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

  private take(answer: MessageLook | Failure): boolean {
    if ('code' in answer) this.fail(answer);
    else if (answer.found !== undefined) this.hear(answer.found);
    else return false;
    return true;
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
