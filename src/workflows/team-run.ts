import {
  CancellationScope,
  CancelledFailure,
  continueAsNew,
  defineQuery,
  defineUpdate,
  getExternalWorkflowHandle,
  setHandler,
} from '@temporalio/workflow';
import type { AgentInfo } from '../protocol/agent';
import type { ContextBatch, ContextSeen, WriteAnswer } from '../protocol/context';
import type { Json, Value } from '../protocol/json';
import type {
  FinishRunInput,
  PreviousOutput,
  RunStatus,
  RunWorkflowInput,
  RunWorkflowResult,
} from '../protocol/run';
import type { Failure } from '../protocol/failures';
import { ROOT_ADDRESS } from '../core/addresses';
import { workflowIdOf } from '../core/ids';
import { EMPTY_SCOPE } from '../core/scope';
import type { StepOutcome } from '../core/strategies/strategy';
import { allOf, NO_TRAIL } from '../core/trail';
import { finishRun } from './activities';
import { carriedFrom, type Replacements, restore, storeLargest, tooLarge } from './carry';
import { checkContextKeys } from './check-context';
import { checkAddress, checkContextKey, checkInput } from './check-input';
import { fail } from './failure';
import type { Quiet } from './gate';
import { childEnded, tellEnd } from './run-child';
import { messageCame } from './run-message-wait';
import { RunState } from './run-state';
import { StepRun } from './run-step';
import type { Place } from './running';
import { showStatus } from './status';
import { workScope } from './work-scope';

const contextQuery = defineQuery<Record<string, Value>, [key?: string]>('context');
const rosterQuery = defineQuery<readonly AgentInfo[]>('roster');
const planQuery = defineQuery<Json>('plan');
const contextEntriesQuery = defineQuery<readonly (ContextSeen | null)[], [keys: readonly string[]]>(
  'contextEntries',
);
const contextUpdate = defineUpdate<readonly WriteAnswer[], [ContextBatch]>('ensemble.context');
const previousQuery = defineQuery<readonly PreviousOutput[], [address: string]>('previous');

/** One run: carries out its plan, agent by agent, and leaves the result in PostgreSQL. */
export async function teamRun(input: RunWorkflowInput): Promise<RunWorkflowResult> {
  checkInput(input);
  const run = new RunState(input);
  answerQueries(run);
  // A cancellation is an event like any other: nothing of ours is cancelled behind our back.
  const requested = CancellationScope.current().cancelRequested;
  return await workScope(input, false).run(() => carryOut(run, requested));
}

function answerQueries(run: RunState): void {
  setHandler(contextQuery, (key) => run.readContext(checkContextKey(key)), {
    description: 'Global keys of the shared context; give a key to read only that one',
  });
  setHandler(
    contextEntriesQuery,
    (keys) => checkContextKeys(keys).map((key) => run.shared.book.seen(key) ?? null),
    { description: 'Global keys of the shared context with their versions and authors' },
  );
  setHandler(rosterQuery, () => run.roster.list(), {
    description: 'The agents of this run and how they stand',
  });
  setHandler(planQuery, () => run.planView(), { description: 'The plan, and the latest executions' });
  setHandler(previousQuery, (address) => allOf(run.trails.get(checkAddress(address)) ?? NO_TRAIL), {
    description: 'What came before the agent at work at an address, by address',
  });
  setHandler(tellEnd, () => {
    run.tellsEnd = true;
  });
  setHandler(childEnded, (runId) => run.childEnds.get(runId)?.());
  setHandler(messageCame, (...addresses) =>
    addresses.forEach((address) => run.messageWaits.get(address)?.()),
  );
}

type End = Pick<FinishRunInput, 'status' | 'output' | 'failure'>;

const NOTHING: Value = { inline: null };
const CANCELLED: End = {
  status: 'cancelled',
  output: NOTHING,
  failure: { code: 'RUN_CANCELLED', message: 'The run was cancelled' },
};

async function carryOut(run: RunState, cancelled: Promise<never>): Promise<RunWorkflowResult> {
  const { plan, task, input, carried } = run.input;
  const remains = carried && { step: carried.plan, unpacker: restore(run, carried) };
  // Not before the context is what it was. An update that came first waits for its handler.
  setHandler(contextUpdate, (batch) => run.shared.accept(batch), {
    validator: (batch) => run.shared.validate(batch),
    description: "Writes of agents at work to the shared context, each once; from the agents' workers",
  });
  let end: End | undefined;
  const close = (how: End): void => {
    end ??= how;
    root.stop();
    run.gate.close();
  };
  const place: Place = {
    step: plan,
    address: ROOT_ADDRESS,
    trail: NO_TRAIL,
    scope: () => ({ ...EMPTY_SCOPE, task, input }),
    cancellation: workScope(run.input),
  };
  const root = new StepRun(run, place, ({ outcome }) => close(endOf(outcome)));
  cancelled.catch(() => close(CANCELLED));
  run.sleepers.onDeadlock = (failure) => close({ status: 'failed', output: NOTHING, failure });
  let quiet = await run.ending<Quiet>((tell) => {
    run.gate.whenQuiet(tell);
    root.start(remains);
  });
  if (quiet === 'due') {
    const problem = await goOn(run, root, () => end !== undefined);
    if (problem !== undefined) close({ status: 'failed', output: NOTHING, failure: problem });
    quiet = await run.ending<Quiet>((tell) => run.gate.whenQuiet(tell));
  }
  return await finish(run, end ?? CANCELLED);
}

/** Continues as new; comes back only where the run has ended meanwhile, or with the reason why it must. */
async function goOn(run: RunState, root: StepRun, hasEnded: () => boolean): Promise<Failure | undefined> {
  const stored: Replacements = new Map();
  for (;;) {
    await run.gate.flush();
    const carried = carriedFrom(run, root, stored);
    const large = tooLarge(carried);
    if (large !== undefined) {
      const problem = await storeLargest(run, { ...large, stored });
      if (problem !== undefined) return problem;
      continue;
    }
    if (hasEnded()) return undefined;
    // Between the look and the step nothing can come: the rest is one piece.
    if (run.pendingEvents().length === 0) await continueAsNew<typeof teamRun>({ ...run.input, carried });
  }
}

function endOf(outcome: StepOutcome): End {
  if (outcome.type === 'failed') return { status: 'failed', output: NOTHING, failure: outcome.failure };
  return {
    status: 'completed',
    output: (outcome.type === 'done' ? outcome.output : undefined) ?? NOTHING,
    failure: null,
  };
}

async function finish(run: RunState, end: End): Promise<RunWorkflowResult> {
  const { tenantId, runId, parent } = run.input;
  show(run, end.status);
  const { degraded, usage } = run;
  if (run.pendingEvents().length > 20) await run.gate.flush();
  const input = { tenantId, runId, ...end, degraded, usage, events: run.pendingEvents() };
  const completed = run.rowEnded || (await finishRun(input));
  if (parent !== undefined && run.tellsEnd)
    await getExternalWorkflowHandle(workflowIdOf(parent.runId))
      .signal(childEnded, runId)
      // It will look for itself.
      .catch(() => undefined);
  if (completed) {
    // The row is the arbiter here too: what came after its end has not changed it.
    if (end.status !== 'completed') show(run, 'completed');
    return { runId, status: 'completed', failure: null };
  }
  if (end.status === 'cancelled') throw new CancelledFailure('The run was cancelled');
  if (end.failure !== null) fail(end.failure.code, end.failure.message);
  return { runId, status: end.status, failure: end.failure };
}

function show(run: RunState, status: RunStatus): void {
  run.setStatus(status);
  run.progress.show();
  showStatus(status);
}
