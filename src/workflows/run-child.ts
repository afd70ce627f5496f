import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import {
  CancellationScope,
  ChildWorkflowCancellationType,
  defineSignal,
  getExternalWorkflowHandle,
  ParentClosePolicy,
  startChild,
  WorkflowIdReusePolicy,
} from '@temporalio/workflow';
import type { CarriedStep } from '../protocol/carried';
import type { Failure } from '../protocol/failures';
import type { Value } from '../protocol/json';
import type { RunStep } from '../protocol/plan';
import type { RunReading, RunWorkflowInput } from '../protocol/run';
import { agentsOf } from '../core/addresses';
import { workflowIdOf } from '../core/ids';
import { boundsOfChild, worstCase } from '../core/plan/bounds';
import { factsWantedAt } from '../core/plan/facts-wanted';
import { planSummary } from '../core/plan-summary';
import { leavesOf } from '../core/strategies/child-scope';
import { addUsage, NO_USAGE } from '../core/usage';
import { acceptRun, finishRun, readRun } from './activities';
import { failureOf } from './failure';
import type { RunState } from './run-state';
import type { AttemptEnd, Done, Place, Remains, Running } from './running';
import { childAttributes } from './status';
import { startTimer } from './timer';

/** To a child run: its parent has continued as new, and hears of its end by `childEnded` only. */
export const tellEnd = defineSignal('ensemble.tellEnd');
/** To a parent, from a child run that was asked to tell. */
export const childEnded = defineSignal<[runId: string]>('ensemble.childEnded');

/** A child run that cannot tell, closed from outside for instance, is looked at this often. */
const LOOK_EVERY_MS = 60_000;
const CANCELLED: Failure = { code: 'RUN_CANCELLED', message: 'The child run was cancelled' };

interface Begun {
  readonly ended: Done<AttemptEnd>;
  readonly remains: Remains | undefined;
}

/** A run of its own as a step: its row, its workflow, and its result by reference. */
export class ChildRun implements Running {
  private readonly cancellation = new CancellationScope();
  private readonly withdraw: () => void;
  private childId: string | undefined;
  /** Whether it is under way, and whether the run must not end or continue as new meanwhile. */
  private underWay = false;
  private held = false;
  private stopped = false;

  constructor(
    private readonly run: RunState,
    private readonly place: Place<RunStep>,
    { ended, remains }: Begun,
  ) {
    const childId = remains?.step.childRun;
    this.childId = childId;
    this.withdraw = () => undefined;
    const follow = (work: Promise<AttemptEnd>): void =>
      run.follow(work, (end) => {
        this.underWay = false;
        run.moving -= 1;
        if (!this.stopped) ended(end);
        this.letGo();
      });
    this.underWay = childId !== undefined;
    // One that had begun goes on; only what is new has to wait for its turn.
    if (childId !== undefined) {
      run.moving += 1;
      follow(this.lookAfter(childId));
    } else
      this.withdraw = run.gate.enter(() => {
        this.underWay = true;
        run.moving += 1;
        this.held = true;
        follow(this.begin());
      });
  }

  stop(): void {
    this.stopped = true;
    this.withdraw();
    // The run's end waits for that of its child.
    if (this.underWay) this.hold();
    this.cancellation.cancel();
  }

  carried(): Partial<CarriedStep> {
    return this.childId === undefined ? {} : { childRun: this.childId };
  }

  private hold(): void {
    if (!this.held) this.run.gate.hold();
    this.held = true;
  }

  private letGo(): void {
    if (this.held) this.run.gate.leave();
    this.held = false;
  }

  private async begin(): Promise<AttemptEnd> {
    const input = await this.accept();
    if (input === undefined) return failedWith(tooFar(this.run));
    this.childId = input.runId;
    if (this.stopped) return await this.endUnstarted(input);
    let problem: Failure | undefined;
    try {
      const handle = await this.cancellation.run(() => this.start(input));
      if (!this.stopped) this.letGo();
      await handle.result();
    } catch (error) {
      // It was started before this workflow was reset, or from its row.
      if (error instanceof WorkflowExecutionAlreadyStartedError) return await this.lookAfter(input.runId);
      problem = failureOf(error);
    }
    return this.endOf(await this.read(input.runId), problem);
  }

  /** Gives the child its row; undefined where this run may have no more of them. */
  private async accept(): Promise<RunWorkflowInput | undefined> {
    const { run, place } = this;
    const { tenantId, projectId, runId, startsPerHistory, commandOrder } = run.input;
    const { plan, task, input } = place.step;
    const given = input === undefined ? (givenBy(place) ?? run.input.input) : { inline: input };
    const bounds = boundsOfChild(run.bounds, run.used);
    if (plan === undefined || bounds === undefined) return undefined;
    run.used += worstCase(plan);
    const names = new Set(agentsOf(plan));
    const agents = run.input.agents.filter(({ name }) => names.has(name));
    const parent = { runId, address: place.address };
    const events = run.pendingEvents();
    run.untold = false;
    const accepted = await acceptRun({
      tenantId,
      projectId,
      parent,
      plan,
      agents,
      task: task === undefined ? run.input.task : { inline: task },
      input: given,
      bounds,
      events,
    });
    run.delivered(events);
    const pace = {
      ...(startsPerHistory === undefined ? {} : { startsPerHistory }),
      ...(commandOrder === undefined ? {} : { commandOrder }),
    };
    return { schemaVersion: 1, tenantId, projectId, ...accepted, plan, agents, bounds, parent, ...pace };
  }

  private start(input: RunWorkflowInput) {
    return startChild('teamRun', {
      workflowId: workflowIdOf(input.runId),
      args: [input],
      workflowIdReusePolicy: WorkflowIdReusePolicy.REJECT_DUPLICATE,
      // A parent that continues as new closes, and a child that went with it would be lost.
      parentClosePolicy: ParentClosePolicy.ABANDON,
      cancellationType: ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
      typedSearchAttributes: childAttributes(input.plan),
      staticSummary: planSummary(input.plan).slice(0, 200),
    });
  }

  /** Stopped between the row and the workflow: a late start finds the row final. */
  private async endUnstarted({ tenantId, runId }: RunWorkflowInput): Promise<AttemptEnd> {
    const end = { status: 'cancelled', output: { inline: null }, failure: CANCELLED } as const;
    await finishRun({ tenantId, runId, ...end, degraded: [], usage: NO_USAGE, events: [] });
    return failedWith(CANCELLED);
  }

  /** Awaits a child that this workflow did not start itself: it tells of its end, and is looked at should it not. */
  private async lookAfter(childId: string): Promise<AttemptEnd> {
    const child = getExternalWorkflowHandle(workflowIdOf(childId));
    const ignore = (): void => undefined;
    this.cancellation.cancelRequested.catch(() => child.cancel().catch(ignore));
    // Asked before it is looked at: who is closed by then cannot be asked any more, and its row is final.
    await child.signal(tellEnd).catch(ignore);
    for (;;) {
      const told = this.told(childId);
      this.hold();
      const reading = await this.read(childId);
      if (isOver(reading)) return this.endOf(reading, undefined);
      if (!this.stopped) this.letGo();
      await told;
    }
  }

  private told(childId: string): Promise<void> {
    return new Promise((resolve) => {
      const timer = startTimer(this.run, Date.now() + LOOK_EVERY_MS, resolve);
      this.run.childEnds.set(childId, () => {
        timer.stop();
        resolve();
      });
    });
  }

  private read(runId: string): Promise<RunReading> {
    this.hold();
    const { run, place } = this;
    const { tenantId } = run.input;
    const factsWanted = factsWantedAt(run.wanted, place.address);
    return readRun({ tenantId, runId, inlineBytes: run.inlineBytes, factsWanted });
  }

  private endOf(reading: RunReading, problem: Failure | undefined): AttemptEnd {
    const { run, place, childId = '' } = this;
    const { status, output, facts, usage } = reading;
    const { step, address } = place;
    run.usage = addUsage(run.usage, usage ?? NO_USAGE);
    run.note('run.child-ended', { address }, { runId: childId, status });
    if (status !== 'completed') return failedWith(failureIn(reading, problem));
    run.learn(facts);
    const outcome = { type: 'done', output, leaves: leavesOf(step, output) } as const;
    return { outcome, outputs: [{ address, agent: 'run', output }], own: false };
  }
}

/** In a map a child run is there for an entry, of which it would not know otherwise. */
function givenBy({ entry }: Place): Value | undefined {
  return entry && { record: { item: entry.item, index: { inline: entry.index } } };
}

function isOver({ status }: RunReading): boolean {
  return status !== 'queued' && status !== 'running';
}

function failureIn({ status, failure }: RunReading, problem: Failure | undefined): Failure {
  if (status === 'cancelled') return CANCELLED;
  return (
    failure ?? problem ?? { code: 'INTERNAL', message: `The child run is ${status} and its workflow closed` }
  );
}

function failedWith(failure: Failure): AttemptEnd {
  return { outcome: { type: 'failed', failure }, outputs: [], own: true };
}

function tooFar({ bounds, used }: RunState): Failure {
  const why =
    bounds.depth > 0
      ? `it has used ${used} of its ${bounds.executions} agent executions`
      : 'runs inside runs have reached their limit';
  return { code: 'RUN_LIMIT', message: `The run may start no child run: ${why}` };
}
