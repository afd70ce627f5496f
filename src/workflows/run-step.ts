import type { CarriedStep } from '../protocol/carried';
import type { Failure } from '../protocol/failures';
import type { Step } from '../protocol/plan';
import { attemptAddress, childAddress } from '../core/addresses';
import type { Packer } from '../core/carry/packer';
import { consequenceOf } from '../core/on-failure';
import { evaluate } from '../core/predicate';
import { retryPause } from '../core/retry';
import { lookInto } from '../core/scope';
import { leavesOf } from '../core/strategies/child-scope';
import { isComposite } from '../core/strategies/children';
import { fail } from './failure';
import { AgentRun } from './run-agent';
import { ChildRun } from './run-child';
import { CompositeRun } from './run-composite';
import type { RunState } from './run-state';
import { type AttemptEnd, type Done, type Place, type Remains, type Running, worldOf } from './running';
import { startTimer, type Timer } from './timer';
import { TimerRun } from './run-timer';
import { ContextWait } from './run-context-wait';
import { MessageWait } from './run-message-wait';

/** Carries out one step of the plan, whatever its type: its condition, its attempts, and what its failure means. */
export class StepRun {
  private at: CarriedStep['at'] = 'attempt';
  private attempt = 1;
  private current: Running | undefined;
  private timer: Timer | undefined;

  constructor(
    private readonly run: RunState,
    private readonly place: Place,
    private readonly done: Done,
  ) {}

  start(remains?: Remains): void {
    if (remains !== undefined) return this.resume(remains);
    const { step } = this.place;
    if (step.when === undefined || this.isDue(step.when)) this.begin();
    else this.done({ outcome: { type: 'left-out' }, outputs: [] });
  }

  stop(): void {
    this.timer?.stop();
    this.current?.stop();
  }

  carried(packer: Packer): CarriedStep {
    const until = this.timer?.until;
    return {
      at: this.at,
      attempt: this.attempt,
      ...(until === undefined ? {} : { until }),
      ...this.current?.carried(packer),
    };
  }

  private resume({ step, unpacker }: Remains): void {
    this.at = step.at;
    this.attempt = step.attempt;
    if (step.at === 'attempt') this.begin({ step, unpacker });
    else if (step.at === 'pause') this.pause(step.until ?? Date.now());
    else this.fallBack(step.asleep);
  }

  private isDue(when: NonNullable<Step['when']>): boolean {
    const { address, scope } = this.place;
    const holds = evaluate(when, lookInto(worldOf(this.run, scope)));
    const [chosen, other] = holds ? ['run', 'leave out'] : ['leave out', 'run'];
    const reason = `the step's condition ${holds ? 'holds' : 'does not hold'}`;
    const decided = { kind: 'condition', chosen, reason, alternatives: [other] } as const;
    this.run.decided({ address, part: 'condition' }, decided);
    return holds;
  }

  private begin(remains?: Remains): void {
    const { step } = this.place;
    const place = { ...this.place, address: attemptAddress(this.place.address, this.attempt) };
    const ended: Done<AttemptEnd> = (end) => this.ended(end);
    // The time of an agent is its activity's business, and a timer has no other.
    if ((isComposite(step) || step.type === 'run') && step.timeoutMs !== undefined)
      this.limit(step.timeoutMs, remains?.step.until);
    if (step.type === 'agent')
      this.current = new AgentRun(this.run, { ...place, step }, { ended, asleep: remains?.step.asleep });
    else if (isComposite(step)) {
      const composite = new CompositeRun(
        this.run,
        { ...place, step },
        { ended, child: (inner, done) => new StepRun(this.run, inner, done) },
      );
      this.current = composite;
      composite.begin(remains);
    } else if (step.type === 'run')
      this.current = new ChildRun(this.run, { ...place, step }, { ended, remains });
    else if (step.type === 'wait' && step.for === 'timer')
      this.current = new TimerRun(this.run, step, { ended, until: remains?.step.until });
    else if (step.type === 'wait' && step.for === 'context')
      this.current = new ContextWait(this.run, step, { ended, until: remains?.step.until });
    else if (step.type === 'wait')
      this.current = new MessageWait(this.run, { ...place, step }, { ended, until: remains?.step.until });
    else fail('PLAN_INVALID', `Steps of type ${step.type} cannot be carried out yet`);
  }

  private limit(timeoutMs: number, until = Date.now() + timeoutMs): void {
    this.timer = startTimer(this.run, until, () => {
      this.current?.stop();
      const message = `The step did not finish within its limit of ${timeoutMs} ms`;
      const failure: Failure = { code: 'STEP_TIMEOUT', message };
      this.ended({ outcome: { type: 'failed', failure }, outputs: [], own: true });
    });
  }

  private ended({ outcome, outputs, own }: AttemptEnd): void {
    this.timer?.stop();
    this.timer = undefined;
    this.current = undefined;
    const { step } = this.place;
    if (outcome.type !== 'failed') return this.done({ outcome, outputs });
    const retry = step.type !== 'agent' && 'retry' in step ? step.retry : undefined;
    if (this.attempt >= (retry?.maxAttempts ?? 1)) return this.afterFailure(outcome.failure, own);
    const pauseMs = retryPause(retry, this.attempt);
    this.attempt += 1;
    this.at = 'pause';
    this.pause(Date.now() + pauseMs);
  }

  private pause(until: number): void {
    this.timer = startTimer(this.run, until, () => {
      this.timer = undefined;
      this.at = 'attempt';
      this.begin();
    });
  }

  private afterFailure(failure: Failure, own: boolean): void {
    const { step, address, parent } = this.place;
    const agent = step.type === 'agent' ? step.agent : step.type;
    const { rule, report } = consequenceOf(step, parent, { own });
    if (report !== undefined) this.run.degrade({ address, agent, ...failure, instead: report });
    if (rule === 'fail') return this.done({ outcome: { type: 'failed', failure }, outputs: [] });
    if (rule === 'skip') return this.done({ outcome: { type: 'skipped' }, outputs: [] });
    if ('agent' in rule.fallback) return this.fallBack();
    const output = { inline: rule.fallback.value };
    const outcome = { type: 'done', output, leaves: leavesOf(step, output) } as const;
    this.done({ outcome, outputs: [{ address, agent, output }] });
  }

  private fallBack(asleep?: CarriedStep['asleep']): void {
    const { step, address } = this.place;
    const rule = step.onFailure;
    if (typeof rule !== 'object' || !('agent' in rule.fallback)) return;
    this.at = 'fallback';
    const fallback = { type: 'agent', agent: rule.fallback.agent, onFailure: 'fail' } as const;
    const place = { ...this.place, step: fallback, address: childAddress(address, 'fallback') };
    const ended: Done<AttemptEnd> = ({ outcome, outputs }) => {
      this.current = undefined;
      if (outcome.type === 'failed')
        this.run.degrade({
          address: place.address,
          agent: fallback.agent,
          ...outcome.failure,
          instead: 'failed',
        });
      if (outcome.type !== 'done') return this.done({ outcome, outputs });
      this.done({ outcome: { ...outcome, leaves: leavesOf(step, outcome.output) }, outputs });
    };
    this.current = new AgentRun(this.run, place, { ended, asleep });
  }
}
