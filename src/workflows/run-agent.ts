import { isCancellation } from '@temporalio/workflow';
import type { AgentResult } from '../protocol/agent';
import { FAILURES, type Failure } from '../protocol/failures';
import type { AgentStep } from '../protocol/plan';
import type { ExecuteAgentInput, SettleAgentInput, SettledAgent } from '../protocol/run';
import { factsWantedAt } from '../core/plan/facts-wanted';
import { leavesOf } from '../core/strategies/child-scope';
import type { StepOutcome } from '../core/strategies/strategy';
import { latestOf } from '../core/trail';
import { agentActivity, retryOf, settleAgent } from './activities';
import { isAgentResult, isSettledAgent } from './check-result';
import { fail, failureOf } from './failure';
import type { Execution } from './progress';
import type { RunState } from './run-state';
import type { AttemptEnd, Done, Place, Running } from './running';

type Turn = Pick<Place<AgentStep>, 'step' | 'address' | 'trail' | 'cancellation' | 'entry'>;

/** An agent's execution as a step: it begins when the gate lets it in. */
export class AgentRun implements Running {
  private readonly withdraw: () => void;
  private stopped = false;

  constructor(
    run: RunState,
    private readonly turn: Turn,
    ended: Done<AttemptEnd>,
  ) {
    const { step, address } = turn;
    this.withdraw = run.gate.enter(() =>
      run.follow(runAgent(run, turn), (outcome) => {
        run.trails.delete(address);
        run.shared.ends(address);
        const outputs = outcome.type === 'done' ? [{ address, agent: step.agent }] : [];
        if (!this.stopped) ended({ outcome, outputs, own: true });
        run.gate.leave();
      }),
    );
  }

  stop(): void {
    this.stopped = true;
    this.withdraw();
    this.turn.cancellation.cancel();
  }

  carried(): Record<string, never> {
    return {};
  }
}

/** How often an execution whose attempts did not count is scheduled again, before that is its end. */
const MOST_ROUNDS = 10;

/**
 * One agent execution: one activity, its retries, and what its end means. It ends once its row is closed.
 * Every promise of workflow code costs the stack trace that the SDK keeps of it, so this is one function, not five.
 */
async function runAgent(run: RunState, turn: Turn): Promise<StepOutcome> {
  const { cancellation } = turn;
  if (run.used >= run.bounds.executions) return { type: 'failed', failure: tooMany(run) };
  run.used += 1;
  run.trails.set(turn.address, turn.trail);
  run.shared.begins(turn.address, turn.step.agent);
  const execution = run.progress.started(turn.address, turn.step.agent);
  run.roster.started(execution.agent, now());
  let attempts = 0;
  for (let round = 1; ; round += 1) {
    try {
      let input = inputOf(run, turn, attempts);
      for (; !run.gate.admits(input); input = inputOf(run, turn, attempts)) await run.gate.room();
      const scheduled = input;
      const activity = agentActivity({ ...turn, agent: input.agent, round, attempts });
      const result = await cancellation.run(() => activity(scheduled));
      run.delivered(input.events);
      // Anybody who may speak to Temporal may complete an activity, with anything.
      if (!isAgentResult(result))
        fail('INTERNAL', 'The activity was completed with something that is no result');
      return completed(run, turn, { execution, result });
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

function inputOf(run: RunState, { step, address, trail, entry }: Turn, attempts: number): ExecuteAgentInput {
  const { tenantId, projectId, runId, task, input } = run.input;
  const agent = run.agent(step.agent);
  const { previous, earlier } = latestOf(trail);
  const wanted = { output: factsWantedAt(run.wanted, address), context: run.wanted.context };
  const wantsFacts = wanted.output.length > 0 || Object.keys(wanted.context).length > 0;
  return {
    tenantId,
    projectId,
    runId,
    address,
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
  };
}

interface Completion {
  readonly execution: Execution;
  readonly result: AgentResult;
}

function completed(
  run: RunState,
  { step, cancellation }: Turn,
  { execution, result }: Completion,
): StepOutcome {
  // It was done before it heard that it was not needed: it counts in the bill and nowhere else.
  const wanted = !cancellation.consideredCancelled;
  run.applyTurn(execution, wanted ? result : { ...result, effects: { context: [] } });
  run.roster.ended(execution.agent, now(), true);
  run.progress.ended(execution, 'completed');
  return { type: 'done', output: result.output, leaves: leavesOf(step, result.output) };
}

function failed(run: RunState, execution: Execution, failure: Failure): StepOutcome {
  run.roster.ended(execution.agent, now(), false);
  run.progress.ended(execution, 'failed');
  return { type: 'failed', failure };
}

async function cancelled(run: RunState, turn: Turn, execution: Execution): Promise<StepOutcome> {
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
  { step, address }: Turn,
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
