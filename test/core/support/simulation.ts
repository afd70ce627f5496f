import { attemptAddress, childAddress, ROOT_ADDRESS, visitAddress } from '../../../src/core/addresses';
import { leftOut } from '../../../src/core/condition';
import { type Entry as ListEntry, entryAt, lengthOf, within } from '../../../src/core/entries';
import { factsOf, type Facts, joinedFacts, partKey } from '../../../src/core/facts';
import { consequenceOf } from '../../../src/core/on-failure';
import { factsWanted, factsWantedAt, type FactsWanted } from '../../../src/core/plan/facts-wanted';
import { tokensOf, valueAt } from '../../../src/core/pointer';
import { documentOf, type Scope, type World } from '../../../src/core/scope';
import { decide } from '../../../src/core/strategies';
import { childrenOf, isComposite } from '../../../src/core/strategies/children';
import { leavesOf, scopeOfChild } from '../../../src/core/strategies/child-scope';
import {
  firstFailure,
  type Decided,
  type StepOutcome,
  type Visit,
} from '../../../src/core/strategies/strategy';
import type { Failure } from '../../../src/protocol/failures';
import type { Json, Value } from '../../../src/protocol/json';
import type { CompositeStep, Step } from '../../../src/protocol/plan';
import type { Random } from '../../gate/support/random';
import { ROUTERS } from './random-plan';

/** One line of what happened, for whoever checks it. */
export type Entry =
  | {
      readonly what: 'start';
      readonly address: string;
      readonly step: Step;
      /** The composite step, by the address of its attempt, and which child of its this is. */
      readonly within?: { readonly address: string; readonly step: CompositeStep; readonly child: number };
    }
  | { readonly what: 'end'; readonly address: string; readonly outcome: StepOutcome['type'] }
  | { readonly what: 'decided'; readonly address: string; readonly decided: Decided };

interface Place {
  readonly step: Step;
  readonly address: string;
  readonly scope: Scope;
  readonly parent?: CompositeStep;
}

interface Leaf {
  readonly settle: (outcome: StepOutcome) => void;
  readonly place: Place;
}

type Done = (outcome: StepOutcome) => void;

/** What a map goes over; no list has no length. */
interface SimulatedList {
  readonly length: number | null;
  readonly entry: (index: number) => ListEntry;
}

export interface Chances {
  /** That an execution finally fails. */
  readonly failure: number;
  /** That the run is cancelled, at each event. */
  readonly cancellation: number;
}

/**
 * A run without Temporal: executions end in any order with random outcomes, outputs are inline or blobs of which only
 * the wanted facts are known. Every decision is made twice, with everything loaded too, and must come out the same.
 */
export class Simulation {
  readonly log: Entry[] = [];
  /** Addresses that the run's result would name, as `consequenceOf` has it. */
  readonly reported = new Set<string>();
  readonly problems: string[] = [];
  executions = 0;
  cancelled = false;
  outcome: StepOutcome | undefined;
  private readonly running = new Set<Leaf>();
  private readonly wanted: FactsWanted;
  private readonly blobs = new Map<string, Json>();
  private facts: Facts = {};

  constructor(
    private readonly plan: Step,
    private readonly random: Random,
  ) {
    this.wanted = factsWanted(plan);
  }

  /** Drives the run to its end, at most so many events. */
  run(chances: Chances, events: number): void {
    const stop = this.execute(this.root(), (outcome) => {
      if (this.outcome !== undefined) this.problems.push('the run ended twice');
      this.outcome = outcome;
    });
    for (let event = 0; this.running.size > 0 && !this.cancelled; event += 1) {
      if (event > events) return void this.problems.push(`more than ${events} events`);
      if (this.random.chance(chances.cancellation)) this.cancelled = true;
      else this.settleOne(chances.failure);
    }
    if (this.cancelled) stop();
    if (this.running.size > 0) this.problems.push('something still runs');
    if (this.cancelled === (this.outcome !== undefined))
      this.problems.push('a run is either cancelled or ends by itself');
  }

  private root(): Place {
    const note = { level: this.random.below(4) };
    const files = this.files(2);
    const scope: Scope = {
      task: this.stored(this.random.pick(['Do it', 'Think']), this.wanted.task),
      input: this.stored({ mode: this.random.pick(['fast', 'mode-0', 'slow']) }, this.wanted.input),
      context: {
        note: this.stored(note, this.wanted.context['note'] ?? []),
        files: this.stored(files, this.wanted.context['files'] ?? []),
        kept: this.stored({ files }, this.wanted.context['kept'] ?? []),
      },
      outputs: {},
    };
    return { step: this.plan, address: ROOT_ADDRESS, scope };
  }

  private files(depth: number): Json[] {
    return Array.from({ length: this.random.below(5) }, () => ({
      name: this.random.pick(['a', 'x'.repeat(300)]),
      level: this.random.below(4),
      ...(depth > 0 ? { parts: this.files(depth - 1) } : {}),
    }));
  }

  private settleOne(failure: number): void {
    const leaf = this.random.pick([...this.running]);
    if (!this.random.chance(failure)) return leaf.settle(this.success(leaf.place));
    leaf.settle({
      type: 'failed',
      failure: { code: 'AGENT_FAILED', message: `failed at ${leaf.place.address}` },
    });
  }

  private success({ step, address }: Place): StepOutcome {
    if (step.type === 'wait' && step.for === 'timer') return { type: 'done' };
    const json = step.type === 'agent' ? this.answer(step) : { decision: 'approved', by: 'me', note: null };
    const output = this.stored(json, factsWantedAt(this.wanted, address));
    return { type: 'done', output, leaves: leavesOf(step, output) };
  }

  private answer({ agent, input }: Extract<Step, { type: 'agent' }>): Json {
    if (ROUTERS.includes(agent)) {
      const { options } = input as { readonly options: readonly { readonly id: string }[] };
      const next = this.random.pick([...options.map(({ id }) => id), 'finish', 'nowhere']);
      return { next, reason: 'it seems right' };
    }
    return {
      verdict: this.random.pick(['pass', 'fail']),
      score: this.random.below(10),
      text: this.random.pick(['a', 'z', 'x'.repeat(300), `${'x'.repeat(256)}\u{1f600}`]),
      next: this.random.pick([null, 'step-1', 'step-3', 'finish']),
    };
  }

  /** Large and small values alike: whether one is inline must not make a difference. */
  private stored(json: Json, wanted: readonly string[]): Value {
    if (this.random.chance(0.5)) return { inline: json };
    const blob = String(this.blobs.size).padStart(64, '0');
    this.blobs.set(blob, json);
    this.facts = { ...this.facts, [blob]: factsOf(json, wanted) };
    return { ref: { blob, bytes: 1, mediaType: 'application/json' } };
  }

  private loaded(value: Value): Value {
    if ('ref' in value) return { inline: this.blobs.get(value.ref.blob) ?? null };
    if ('part' in value) {
      const { of, pointer } = value.part;
      return { inline: valueAt(this.blobs.get(of.blob) ?? null, tokensOf(pointer)) ?? null };
    }
    if ('list' in value) return { list: value.list.map((one) => this.loaded(one)) };
    return 'record' in value ? { record: this.allLoaded(value.record) } : value;
  }

  private allLoaded(values: { readonly [name: string]: Value }): Record<string, Value> {
    return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, this.loaded(value)]));
  }

  private loadedScope(scope: Scope): Scope {
    const { task, input, context, outputs, last, item } = scope;
    return {
      ...scope,
      task: this.loaded(task),
      input: this.loaded(input),
      context: this.allLoaded(context),
      outputs: this.allLoaded(outputs),
      ...(last === undefined ? {} : { last: this.loaded(last) }),
      ...(item === undefined ? {} : { item: this.loaded(item) }),
    };
  }

  private loadedVisits(visits: readonly Visit[]): Visit[] {
    return visits.map(({ child, outcome }) => {
      if (outcome?.type !== 'done') return outcome === undefined ? { child } : { child, outcome };
      const { output, leaves } = outcome;
      return {
        child,
        outcome: {
          type: 'done',
          ...(output === undefined ? {} : { output: this.loaded(output) }),
          ...(leaves === undefined ? {} : { leaves: this.allLoaded(leaves) }),
        },
      };
    });
  }

  execute(place: Place, done: Done): () => void {
    const { step, scope } = place;
    if (step.when === undefined) return this.attempt(place, 1, done);
    const decided = leftOut(step, { scope, facts: this.facts });
    const told = leftOut(step, { scope: this.loadedScope(scope), facts: {} });
    if ((decided === undefined) !== (told === undefined))
      this.problems.push(`the facts answer otherwise than the document at ${place.address}`);
    if (decided === undefined) return this.attempt(place, 1, done);
    this.log.push({ what: 'decided', address: place.address, decided });
    done({ type: 'left-out' });
    return () => undefined;
  }

  private attempt(place: Place, number: number, done: Done): () => void {
    const { step, address } = place;
    let stop: () => void = () => undefined;
    const ended = (outcome: StepOutcome, own: boolean): void => {
      if (outcome.type !== 'failed') return done(outcome);
      const attempts = step.type !== 'agent' && 'retry' in step ? (step.retry?.maxAttempts ?? 1) : 1;
      if (number < attempts) stop = this.attempt(place, number + 1, done);
      else stop = this.afterFailure(place, { failure: outcome.failure, own }, done);
    };
    const started = isComposite(step)
      ? new Composite(this, { ...place, step, address: attemptAddress(address, number) }, ended).stop
      : this.leaf({ ...place, address: attemptAddress(address, number) }, (outcome) => ended(outcome, true));
    return () => {
      started();
      stop();
    };
  }

  private leaf(place: Place, done: Done): () => void {
    if (place.step.type === 'agent') this.executions += 1;
    const leaf: Leaf = {
      place,
      settle: (outcome) => {
        this.running.delete(leaf);
        done(outcome);
      },
    };
    this.running.add(leaf);
    return () => this.running.delete(leaf);
  }

  private afterFailure(
    { step, address, parent, scope }: Place,
    { failure, own }: { readonly failure: Failure; readonly own: boolean },
    done: Done,
  ): () => void {
    const { rule, report } = consequenceOf(step, parent, { own });
    if (report !== undefined) this.reported.add(address);
    if (rule === 'fail') done({ type: 'failed', failure });
    else if (rule === 'skip') done({ type: 'skipped' });
    else if ('value' in rule.fallback) {
      const output = { inline: rule.fallback.value };
      done({ type: 'done', output, leaves: leavesOf(step, output) });
    } else {
      const fallback: Step = { type: 'agent', agent: rule.fallback.agent, onFailure: 'fail' };
      const place = { step: fallback, address: childAddress(address, 'fallback'), scope };
      this.log.push({ what: 'start', address: place.address, step: fallback });
      return this.execute(place, (outcome) => {
        this.log.push({ what: 'end', address: place.address, outcome: outcome.type });
        done(outcome.type === 'done' ? { ...outcome, leaves: leavesOf(step, outcome.output) } : outcome);
      });
    }
    return () => undefined;
  }

  /** What a map goes over. Of what lies in a blob the facts of the entries are learned, no more. */
  list({ step, address, scope }: Place & { readonly step: CompositeStep }): SimulatedList | undefined {
    if (step.type !== 'map') return undefined;
    const value = within(documentOf(scope), tokensOf(step.over));
    if (value === undefined) return { length: null, entry: (index) => ({ item: { inline: null }, index }) };
    const length = lengthOf(value);
    const entry = (index: number): ListEntry => entryAt(value, index);
    if (length !== undefined) return { length, entry };
    const loaded = lengthOf(this.loaded(value)) ?? null;
    const wanted = factsWantedAt(this.wanted, address, 'entries');
    for (let index = 0; index < (loaded ?? 0); index += 1) {
      const { item } = entry(index);
      const json = this.loaded(item);
      if ('part' in item && 'inline' in json)
        this.facts = joinedFacts(this.facts, { [partKey(item.part)]: factsOf(json.inline, wanted) });
    }
    return { length: loaded, entry };
  }

  /** What the strategy decides; with everything loaded it must decide the same. */
  decision(step: CompositeStep, visits: readonly Visit[], { scope, entries }: Omit<World, 'facts'>) {
    const world: World = { scope, facts: this.facts, entries };
    const decision = decide(step, visits, world);
    const told = decide(step, this.loadedVisits(visits), {
      scope: this.loadedScope(scope),
      facts: {},
      entries,
    });
    const gist = (of: typeof decision): string => JSON.stringify({ ...of, output: null });
    if (gist(decision) !== gist(told))
      this.problems.push(`${gist(decision)} with facts, ${gist(told)} with all loaded`);
    return decision;
  }
}

/** A composite step under way. */
class Composite {
  private readonly visits: Visit[] = [];
  private readonly stops: (() => void)[] = [];
  private readonly list: SimulatedList | undefined;
  private deciding = false;
  private ended = false;

  constructor(
    private readonly run: Simulation,
    private readonly place: Place & { readonly step: CompositeStep },
    private readonly done: (outcome: StepOutcome, own: boolean) => void,
  ) {
    this.list = run.list(place);
    if (this.list?.length === null) {
      this.ended = true;
      done({ type: 'failed', failure: { code: 'STEP_INPUT_INVALID', message: 'no list' } }, true);
    } else this.advance();
  }

  private get world(): Omit<World, 'facts'> {
    return { scope: this.place.scope, entries: this.list?.length ?? undefined };
  }

  readonly stop = (): void => {
    if (this.ended) return;
    this.ended = true;
    for (const [index, visit] of this.visits.entries()) if (visit.outcome === undefined) this.cancel(index);
  };

  private advance(): void {
    if (this.deciding || this.ended) return;
    this.deciding = true;
    for (let turn = 0; this.turn(); turn += 1)
      if (turn > 5_000) return void this.run.problems.push(`endless decisions at ${this.place.address}`);
    this.deciding = false;
  }

  /** Whether there is more to decide at once. */
  private turn(): boolean {
    const { step, address } = this.place;
    const decision = this.run.decision(step, this.visits, this.world);
    if ('decided' in decision)
      for (const decided of decision.decided ?? []) this.run.log.push({ what: 'decided', address, decided });
    switch (decision.type) {
      case 'start':
        for (const child of decision.children) this.start(child);
        return true;
      case 'cancel':
        for (const index of decision.visits) this.cancel(index);
        return true;
      case 'wait':
        if (this.visits.every(({ outcome }) => outcome !== undefined))
          this.run.problems.push(`waits for nothing at ${address}`);
        return false;
      case 'finish':
      case 'fail': {
        const own = firstFailure(this.visits) === undefined;
        this.stop();
        if (this.run.decision(step, this.visits, this.world).type !== decision.type)
          this.run.problems.push(`the end is not final at ${address}`);
        if (decision.type === 'fail') this.done({ type: 'failed', failure: decision.failure }, own);
        else
          this.done(
            { ...decision, type: 'done', leaves: leavesOf(step, decision.output, this.visits) },
            false,
          );
        return false;
      }
    }
  }

  private start(child: number): void {
    const { step: parent, scope, address } = this.place;
    const step = childrenOf(parent)[child];
    if (step === undefined) return void this.run.problems.push(`no child ${child} at ${address}`);
    const entry = this.list?.entry(this.visits.length);
    const seen = scopeOfChild({ step: parent, child, entry }, this.visits, scope);
    const index = this.visits.push({ child }) - 1;
    const place = { step, parent, scope: seen, address: visitAddress(this.place, this.visits, index) };
    this.run.log.push({
      what: 'start',
      address: place.address,
      step,
      within: { address, step: parent, child },
    });
    const stop = this.run.execute(place, (outcome) => {
      this.run.log.push({ what: 'end', address: place.address, outcome: outcome.type });
      this.visits[index] = { child, outcome };
      this.advance();
    });
    this.stops[index] = stop;
  }

  private cancel(index: number): void {
    const child = this.visits[index]?.child ?? 0;
    this.stops[index]?.();
    this.visits[index] = { child, outcome: { type: 'cancelled' } };
    this.run.log.push({
      what: 'end',
      address: visitAddress(this.place, this.visits, index),
      outcome: 'cancelled',
    });
  }
}
