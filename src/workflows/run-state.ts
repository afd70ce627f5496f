import type { AgentResult, AgentVersion, Degradation, Usage } from '../protocol/agent';
import type { EventType, NewEvent } from '../protocol/event';
import type { Json, JsonObject, Value } from '../protocol/json';
import type { AgentRest } from '../protocol/rest';
import { LIMITS } from '../protocol/limits';
import type { NextAgent, RunBounds, RunStatus, RunWorkflowInput } from '../protocol/run';
import { type Facts, joinedFacts } from '../core/facts';
import { outputsAtOnce } from '../core/plan/bounds';
import { type FactsWanted, factsWanted } from '../core/plan/facts-wanted';
import { lastAgentOf } from '../core/plan/last-agent';
import { type Follower, followersOf } from '../core/plan/next-agent';
import { Roster } from '../core/roster';
import type { Decided } from '../core/strategies/strategy';
import type { Trail } from '../core/trail';
import { addUsage, NO_USAGE } from '../core/usage';
import { fail } from './failure';
import { Gate } from './gate';
import { Progress } from './progress';
import { RunContext } from './run-context';
import { Sleepers } from './sleepers';

const MOST_INLINE_BYTES = 96 * 1024;
/** A reference is no smaller. */
const LEAST_INLINE_BYTES = 128;
const MESSAGE_CHARS = 300;

/** Where an event belongs; `part` tells several of one type apart. */
interface At {
  readonly address: string;
  readonly agent?: string;
  readonly part?: string;
}

/** What no row tells: the workflow alone knows of it until it is in the log. */
const DECISIONS: ReadonlySet<EventType> = new Set(['step.decided', 'agent.skipped', 'agent.fell-back']);

/** What the workflow knows of its run. Nothing in it grows with messages or transcripts. */
export class RunState {
  status: RunStatus = 'running';
  usage: Usage = NO_USAGE;
  facts: Facts;
  /** Agent executions started, and those set aside for child runs. */
  used = 0;
  /** Whether the parent wants to be told of the end. */
  tellsEnd = false;
  /** Whether an agent has completed the run with its own result. */
  rowEnded = false;
  readonly shared: RunContext;
  roster: Roster;
  degraded: Degradation[] = [];
  progress: Progress;
  readonly gate: Gate;
  readonly wanted: FactsWanted;
  readonly bounds: RunBounds;
  /** Values above this become blobs: all that the plan's agents leave must fit into what is carried on. */
  readonly inlineBytes: number;
  /** The agent whose result is the run's; of a child run there is more to do at the end. */
  private readonly lastAgent: string | undefined;
  private readonly followers: ReadonlyMap<string, Follower>;
  /** What came before each agent that is at work, by its address. */
  readonly trails = new Map<string, Trail>();
  /** Whom to tell that a child run has ended. */
  readonly childEnds = new Map<string, () => void>();
  /** Whether something was decided that no activity carries yet. */
  untold = false;
  /** Whom to tell that a message came, by address: steps, and agents that sleep. */
  readonly messageWaits = new Map<string, () => void>();
  /** What goes on by itself and is not at work: timers and child runs. */
  moving = 0;
  readonly sleepers = new Sleepers();
  /** The last message that a step has waited for, so that its next round waits for another. */
  readonly heard = new Map<string, number>();
  private pending: readonly NewEvent[] = [];
  private breakDown: (error: unknown) => void = fail.bind(undefined, 'INTERNAL', 'Nobody awaits the run');

  constructor(readonly input: RunWorkflowInput) {
    this.roster = new Roster(input.agents);
    this.progress = new Progress(this);
    this.gate = new Gate(this);
    this.wanted = factsWanted(input.plan);
    this.facts = input.facts ?? {};
    this.bounds = input.bounds ?? { executions: LIMITS.executionsPerRun, depth: LIMITS.runDepth };
    const share = Math.floor(MOST_INLINE_BYTES / outputsAtOnce(input.plan));
    this.inlineBytes = Math.max(LEAST_INLINE_BYTES, Math.min(LIMITS.inlineValueBytes, share));
    this.shared = new RunContext(this);
    this.followers = followersOf(input.plan);
    this.lastAgent = input.parent === undefined ? lastAgentOf(input.plan) : undefined;
  }

  /** The pinned version of an agent; a plan that was accepted names no other. */
  agent(name: string): AgentVersion {
    const pinned = this.input.agents.find((agent) => agent.name === name);
    return pinned ?? fail('AGENT_UNKNOWN', `The run has no pinned version of agent "${name}"`);
  }

  /** Whether the run is completed by what this agent brings, and nothing else is to be told with its end. */
  endsAt(address: string): boolean {
    return address === this.lastAgent && this.degraded.length === 0;
  }

  /** Whom the run goes on with after the agent at this address, if that completes. */
  nextAfter(address: string): NextAgent | undefined {
    const follower = this.followers.get(address);
    if (follower === undefined || this.used >= this.bounds.executions) return undefined;
    const { name, version } = this.agent(follower.step.agent);
    return { address: follower.address, agent: name, version };
  }

  /** Values of global keys by name; one key where it is asked for. */
  readContext(key?: string): Record<string, Value> {
    if (key === undefined) return this.shared.book.values();
    const seen = this.shared.book.seen(key);
    return seen === undefined ? {} : Object.fromEntries([[key, seen.value]]);
  }

  /** Applies everything a completed turn did, in the workflow task that sees it: nothing half, nothing twice. */
  applyTurn(at: { readonly address: string; readonly agent: string }, result: AgentResult): void {
    this.usage = addUsage(this.usage, result.usage);
    this.learn(result.facts);
    this.shared.applyTurn(at, result.effects.context);
    this.shared.put(`outputs.${at.agent}`, result.output, at.agent);
  }

  /** The same of a turn whose agent lay down; what it took is counted with the agent's end. */
  applyRest(at: { readonly address: string; readonly agent: string }, rest: AgentRest): void {
    this.learn(rest.facts);
    this.shared.applyTurn({ ...at, turn: rest.asleep.turn }, rest.effects.context);
  }

  learn(facts: Facts | undefined): void {
    if (facts !== undefined) this.facts = joinedFacts(this.facts, facts);
  }

  setStatus(status: RunStatus): void {
    this.status = status;
    this.shared.put('status', { inline: status }, 'run');
  }

  /** The result names so many at most; the rows and the story name all. */
  degrade(degradation: Degradation): void {
    const { address, agent, code, instead } = degradation;
    const message = degradation.message.slice(0, MESSAGE_CHARS);
    if (this.degraded.length < LIMITS.degradationsPerRun) this.degraded.push({ ...degradation, message });
    if (instead === 'failed') return;
    const type: EventType = instead === 'skipped' ? 'agent.skipped' : 'agent.fell-back';
    this.note(type, { address, agent }, { code, message });
  }

  /** A choice that was made, once: what follows from it is in the history, so it is never made again. */
  decided(at: { readonly address: string; readonly part: string }, decided: Decided): void {
    this.note('step.decided', at, { ...decided });
  }

  /** A decision of the workflow: it rides in every activity scheduled from now on, until one that carried it returns. */
  note(type: EventType, { address, agent, part }: At, data: JsonObject): void {
    const key = `${type}:${address}${part === undefined ? '' : `:${part}`}`;
    const event = { key, type, address, ...(agent === undefined ? {} : { agent }), data };
    this.pending = [...this.pending, event];
    this.untold ||= DECISIONS.has(type);
  }

  pendingEvents(): readonly NewEvent[] {
    this.shared.tellWrites();
    return this.pending;
  }

  /** An activity that carried these has returned: they are in the log. */
  delivered(events: readonly NewEvent[]): void {
    if (events.length === 0) return;
    const keys = new Set(events.map(({ key }) => key));
    this.pending = this.pending.filter(({ key }) => !keys.has(key));
  }

  /**
   * Goes on with what a promise brings, or with its failure where somebody takes that. What is thrown otherwise, a fault of
   * ours, ends the workflow task.
   */
  follow<T>(promise: Promise<T>, next: (value: T) => void, failed?: (error: unknown) => void): void {
    const { breakDown } = this;
    const guarded =
      <V>(goOn: (value: V) => void) =>
      (value: V): void => {
        try {
          goOn(value);
          this.gate.tellDecisions();
        } catch (error) {
          breakDown(error);
        }
      };
    promise.then(guarded(next), failed === undefined ? breakDown : guarded(failed));
  }

  /** Waits for an end that comes by callback. */
  ending<T>(begin: (end: (value: T) => void) => void): Promise<T> {
    return new Promise((resolve, reject) => {
      this.breakDown = reject;
      begin(resolve);
      this.gate.tellDecisions();
    });
  }

  planView(): Json {
    return { plan: this.input.plan as unknown as Json, ...this.progress.view() };
  }
}
