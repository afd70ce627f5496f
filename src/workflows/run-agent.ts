import { isCancellation } from '@temporalio/workflow';
import type { AgentResult } from '../protocol/agent';
import { FAILURES, type Failure } from '../protocol/failures';
import type { CarriedStep } from '../protocol/carried';
import type { AgentStep } from '../protocol/plan';
import type { AgentRest, Asleep } from '../protocol/rest';
import type { ExecuteAgentInput, SettleAgentInput, SettledAgent } from '../protocol/run';
import { factsWantedAt } from '../core/plan/facts-wanted';
import { leavesOf } from '../core/strategies/child-scope';
import type { StepOutcome } from '../core/strategies/strategy';
import { latestOf } from '../core/trail';
import { agentActivity, retryOf, settleAgent } from './activities';
import { AgentSleep } from './agent-sleep';
import { isAgentRest, isAgentResult, isSettledAgent } from './check-result';
import { fail, failureOf } from './failure';
import type { Execution as Shown } from './progress';
import type { RunState } from './run-state';
import type { AttemptEnd, Done, Place, Running } from './running';

type Execution = Pick<Place<AgentStep>, 'step' | 'address' | 'trail' | 'cancellation' | 'entry'>;

/** One turn of it: the first, or one after its agent lay down. */
interface Turn extends Execution {
  /** From 1. */
  readonly number: number;
  /** Context writes of earlier turns that left at once. */
  readonly written: number;
}

/** How a turn ended: as its step, or with its agent lying down. */
type TurnOutcome = StepOutcome | { readonly type: 'asleep'; readonly asleep: Asleep };

interface Begun {
  readonly ended: Done<AttemptEnd>;
  /** Where its workflow continued as new while its agent slept. */
  readonly asleep: Asleep | undefined;
}

/** An agent's execution as a step: each of its turns begins when the gate lets it in. */
export class AgentRun implements Running {
  private withdraw: () => void = () => undefined;
  private stopped = false;
  /** From the end of a turn to the beginning of the next. */
  private asleep: Asleep | undefined;
  private sleep: AgentSleep | undefined;

  constructor(
    private readonly run: RunState,
    private readonly execution: Execution,
    private readonly begun: Begun,
  ) {
    if (begun.asleep === undefined) this.begin({ number: 1, written: 0 });
    else this.lieDown(begun.asleep);
  }

  stop(): void {
    if (this.stopped) return;
    this.stopped = true;
    this.withdraw();
    this.sleep?.stop();
    this.execution.cancellation.cancel();
    if (this.asleep !== undefined) this.giveUp();
  }

  carried(): Partial<CarriedStep> {
    return this.asleep === undefined ? {} : { asleep: this.asleep };
  }

  private begin(turn: Pick<Turn, 'number' | 'written'>): void {
    const { run, execution } = this;
    this.withdraw = run.gate.enter(() => {
      this.asleep = undefined;
      startTurn(run, { ...execution, ...turn }, (outcome) => {
        run.trails.delete(execution.address);
        run.shared.ends(execution.address);
        run.sleepers.turnEnded();
        if (outcome.type === 'asleep') this.lieDown(outcome.asleep);
        else this.end(outcome);
        run.gate.leave();
      });
    });
  }

  private end(outcome: StepOutcome): void {
    const { step, address } = this.execution;
    const outputs = outcome.type === 'done' ? [{ address, agent: step.agent }] : [];
    if (!this.stopped) this.begun.ended({ outcome, outputs, own: true });
  }

  private lieDown(asleep: Asleep): void {
    this.asleep = asleep;
    if (this.stopped) return this.giveUp();
    const { address, step } = this.execution;
    const next = { number: asleep.turn + 1, written: asleep.written };
    const wake = (): void => this.begin(next);
    this.sleep = new AgentSleep(this.run, { address, member: step.agent, asleep, wake });
  }

  /** Nobody will wake it any more: its row is closed. */
  private giveUp(): void {
    const { run, execution } = this;
    const { address, step } = execution;
    run.gate.hold();
    const gone = cancelled(run, execution, run.progress.woken(address, step.agent));
    run.follow(gone, () => run.gate.leave());
  }
}

/** How often an execution whose attempts did not count is scheduled again, before that is its end. */
const MOST_ROUNDS = 10;

/** An activity that is under way. */
interface Scheduled {
  readonly input: ExecuteAgentInput;
  readonly result: Promise<unknown>;
}

/**
 * One turn: one activity, its retries, and what its end means. Every promise of workflow code costs the stack trace that
 * the SDK keeps of it, so a turn makes none of its own where its first activity brings a result.
 */
function startTurn(run: RunState, turn: Turn, ended: (outcome: TurnOutcome) => void): void {
  if (turn.number === 1 && run.used >= run.bounds.executions)
    return run.follow(Promise.resolve({ type: 'failed', failure: tooMany(run) } as const), ended);
  const execution = begin(run, turn);
  const first = run.input.commandOrder === undefined ? undefined : scheduledAtOnce(run, turn);
  const goOn = (): void => run.follow(rounds(run, turn, { execution, first }), ended);
  if (first === undefined) return goOn();
  const brought = (result: unknown): void => {
    const outcome = outcomeOf(run, turn, { execution, input: first.input, result });
    if (outcome === undefined) goOn();
    else ended(outcome);
  };
  run.follow(first.result, brought, goOn);
}

function begin(run: RunState, { address, step, trail, number, written }: Turn): Shown {
  if (number === 1) run.used += 1;
  run.trails.set(address, trail);
  run.shared.begins(address, step.agent, written);
  const { progress } = run;
  const execution =
    number === 1 ? progress.started(address, step.agent) : progress.woken(address, step.agent);
  run.roster.started(execution.agent, now());
  return execution;
}

/** The first activity, where there is room for it now and nothing wrong with it. */
function scheduledAtOnce(run: RunState, turn: Turn): Scheduled | undefined {
  try {
    const input = inputOf(run, turn, 0);
    return run.gate.admits(input) ? scheduled(turn, input, { round: 1, attempts: 0 }) : undefined;
  } catch {
    return undefined;
  }
}

function scheduled(
  turn: Turn,
  input: ExecuteAgentInput,
  tried: { readonly round: number; readonly attempts: number },
): Scheduled {
  const activity = agentActivity({ ...turn, agent: input.agent, ...tried });
  return { input, result: turn.cancellation.run(() => activity(input)) };
}

/** What an activity brought; undefined where it is nothing that one of ours could have brought. */
function outcomeOf(
  run: RunState,
  turn: Turn,
  { execution, input, result }: Pick<Scheduled, 'input'> & { execution: Shown; result: unknown },
): TurnOutcome | undefined {
  run.delivered(input.events);
  if (isAgentRest(result)) return lain(run, turn, { execution, rest: result });
  return isAgentResult(result) ? completed(run, turn, { execution, result }) : undefined;
}

interface Rounds {
  readonly execution: Shown;
  /** The first activity, where it is under way. */
  readonly first: Scheduled | undefined;
}

/** Activity after activity, until one counts. The last one of an execution ends once its row is closed. */
async function rounds(run: RunState, turn: Turn, { execution, first }: Rounds): Promise<TurnOutcome> {
  let attempts = 0;
  for (let round = 1; ; round += 1) {
    try {
      let current = round === 1 ? first : undefined;
      if (current === undefined) {
        let input = inputOf(run, turn, attempts);
        for (; !run.gate.admits(input); input = inputOf(run, turn, attempts)) await run.gate.room();
        current = scheduled(turn, input, { round, attempts });
      }
      const result = await current.result;
      const outcome = outcomeOf(run, turn, { execution, input: current.input, result });
      // Anybody who may speak to Temporal may complete an activity, with anything.
      return outcome ?? fail('INTERNAL', 'The activity was completed with something that is no result');
    } catch (error) {
      if (isCancellation(error)) return await cancelled(run, turn, execution);
      const settled = await settle(run, turn, {
        status: 'failed',
        failure: failureOf(error),
        retry: round < MOST_ROUNDS,
      });
      if (settled.outcome === 'adopted') return completed(run, turn, { execution, result: settled.result });
      if (settled.outcome === 'closed') return failed(run, execution, failureOf(error));
      attempts = settled.attempts;
    }
  }
}

function tooMany({ bounds }: RunState): Failure {
  const message = `The run has made ${bounds.executions} agent executions, its limit; split the work into several runs`;
  return { code: 'RUN_LIMIT', message };
}

function inputOf(
  run: RunState,
  { step, address, trail, entry, number }: Turn,
  attempts: number,
): ExecuteAgentInput {
  const { tenantId, projectId, runId, task, input } = run.input;
  const agent = run.agent(step.agent);
  const { previous, earlier } = latestOf(trail);
  const wanted = { output: factsWantedAt(run.wanted, address), context: run.wanted.context };
  const next = run.nextAfter(address);
  const wantsFacts = wanted.output.length > 0 || Object.keys(wanted.context).length > 0;
  return {
    tenantId,
    projectId,
    runId,
    address,
    ...(number === 1 ? {} : { turn: number }),
    agent: step.timeoutMs === undefined ? agent : { ...agent, timeoutMs: step.timeoutMs },
    task,
    runInput: input,
    stepInput: step.input ?? null,
    ...entry,
    previous,
    ...(earlier > 0 ? { earlier } : {}),
    ...(wantsFacts ? { factsWanted: wanted } : {}),
    ...(run.input.plan.context === undefined ? {} : { contextRules: run.input.plan.context }),
    inlineBytes: run.inlineBytes,
    maxAttempts: retryOf(step).maxAttempts,
    attemptsBefore: attempts,
    events: run.pendingEvents(),
    ...(number === 1 && run.endsAt(address) ? { ends: true } : {}),
    ...(next === undefined ? {} : { next }),
  };
}

interface Lain {
  readonly execution: Shown;
  readonly rest: AgentRest;
}

function lain(run: RunState, { cancellation }: Turn, { execution, rest }: Lain): TurnOutcome {
  if (!cancellation.consideredCancelled) run.applyRest(execution, rest);
  run.roster.ended(execution.agent, now(), true);
  run.progress.ended(execution, 'asleep');
  return { type: 'asleep', asleep: rest.asleep };
}

interface Completion {
  readonly execution: Shown;
  readonly result: AgentResult;
}

function completed(
  run: RunState,
  { step, cancellation }: Execution,
  { execution, result }: Completion,
): StepOutcome {
  // It was done before it heard that it was not needed: it counts in the bill and nowhere else.
  const wanted = !cancellation.consideredCancelled;
  run.applyTurn(execution, wanted ? result : { ...result, effects: { context: [] } });
  run.rowEnded ||= result.runEnded === true;
  run.roster.ended(execution.agent, now(), true);
  run.progress.ended(execution, 'completed');
  return { type: 'done', output: result.output, leaves: leavesOf(step, result.output) };
}

function failed(run: RunState, execution: Shown, failure: Failure): StepOutcome {
  run.roster.ended(execution.agent, now(), false);
  run.progress.ended(execution, 'failed');
  return { type: 'failed', failure };
}

async function cancelled(run: RunState, turn: Execution, execution: Shown): Promise<StepOutcome> {
  const failure: Failure = { code: 'RUN_CANCELLED', message: 'Cancelled before it finished' };
  const settled = await settle(run, turn, { status: 'cancelled', failure, retry: false });
  if (settled.outcome === 'adopted') return completed(run, turn, { execution, result: settled.result });
  run.roster.ended(execution.agent, now(), false);
  run.progress.ended(execution, 'cancelled');
  return { type: 'cancelled' };
}

interface Ended {
  readonly status: 'failed' | 'cancelled';
  readonly failure: Failure;
  /** Whether it may be scheduled again, where too few of its attempts counted. */
  readonly retry: boolean;
}

/** Closes the row for good; where it turns out to be complete (a lost answer), its result counts. */
async function settle(
  run: RunState,
  { step, address }: Execution,
  { retry, ...end }: Ended,
): Promise<SettledAgent> {
  const { tenantId, runId } = run.input;
  const inputNow = (): SettleAgentInput => ({
    tenantId,
    runId,
    address,
    agent: run.agent(step.agent),
    ...end,
    ...(retry && FAILURES[end.failure.code].retry ? { maxAttempts: retryOf(step).maxAttempts } : {}),
    events: run.pendingEvents(),
  });
  let input = inputNow();
  for (; !run.gate.admits(input); input = inputNow()) await run.gate.room();
  const settled = await settleAgent(input);
  run.delivered(input.events);
  return isSettledAgent(settled) ? settled : { outcome: 'closed' };
}

const now = (): string => new Date().toISOString();
