import type { Failure } from '../protocol/failures';
import { DEFAULTS } from '../protocol/limits';
import type { Value } from '../protocol/json';
import type { CompositeStep, MapStep } from '../protocol/plan';
import { type Entry, entryAt, lengthOf, within } from '../core/entries';
import { partKey } from '../core/facts';
import { factsWantedAt } from '../core/plan/facts-wanted';
import { tokensOf } from '../core/pointer';
import { documentOf } from '../core/scope';
import { readList } from './activities';
import { failureOf } from './failure';
import type { RunState } from './run-state';
import { type Place, worldOf } from './running';

type Opened = (failure?: Failure) => void;

/** What a map goes over, as it stands when the map begins. Of a list in a blob the workflow learns what it must know, no more. */
export class MapList {
  /** Undefined until it is known. */
  length: number | undefined;
  /** As it is carried on. */
  value: Value | undefined;
  private withdraw: () => void = () => undefined;
  private stopped = false;

  private constructor(
    private readonly run: RunState,
    private readonly place: Place,
    private readonly step: MapStep,
  ) {}

  static of(run: RunState, place: Place<CompositeStep>): MapList | undefined {
    const { step } = place;
    return step.type === 'map' ? new MapList(run, place, step) : undefined;
  }

  /** Calls back once the list is known, or why there is none. `kept`: the list of before the workflow continued as new. */
  open(kept: Value | undefined, opened: Opened): void {
    const { run, place, step } = this;
    const document = documentOf(worldOf(run, place.scope).scope);
    this.value = kept ?? within(document, tokensOf(step.over));
    const length = this.value === undefined ? null : lengthOf(this.value);
    if (length !== undefined) return opened(this.known(length));
    const ask = (): void =>
      run.follow(this.ask(), (failure) => {
        if (!this.stopped) opened(failure);
        run.gate.leave();
      });
    if (kept === undefined) this.withdraw = run.gate.enter(ask);
    else {
      // It has begun before: were it to wait for its turn again, full histories might never let it go on.
      run.gate.hold();
      ask();
    }
  }

  entry(index: number): Entry {
    return entryAt(this.value ?? { list: [] }, index);
  }

  stop(): void {
    this.stopped = true;
    this.withdraw();
  }

  private async ask(): Promise<Failure | undefined> {
    const { run, place, step, value: list = { list: [] } } = this;
    const { tenantId } = run.input;
    const most = step.maxItems ?? DEFAULTS.mapItems;
    const factsWanted = factsWantedAt(run.wanted, place.address, 'entries');
    try {
      const { length, facts } = await readList({ tenantId, list, most, factsWanted });
      const known = facts.flatMap((about, index) => {
        const { item } = this.entry(index);
        return 'part' in item ? [[partKey(item.part), about] as const] : [];
      });
      if (known.length > 0) run.learn(Object.fromEntries(known));
      return this.known(length);
    } catch (error) {
      return failureOf(error);
    }
  }

  private known(length: number | null): Failure | undefined {
    if (length === null)
      return { code: 'STEP_INPUT_INVALID', message: `There is no list at "${this.step.over}"` };
    this.length = length;
    return undefined;
  }
}
