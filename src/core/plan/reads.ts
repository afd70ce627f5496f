import type { Step } from '../../protocol/plan';
import type { Predicate } from '../../protocol/predicate';
import { childAddress } from '../addresses';
import { tokensOf } from '../pointer';
import { ROUTE_POINTERS } from '../strategies/adaptive';
import { ROUTER_AGENT } from '../strategies/children';
import { type Comparison, comparisonsOf, type Wanted } from './comparisons';
import { innerPlaces, type Place } from './places';
import { anyOf, type Produced, producedIn, type Shape } from './shapes';
import {
  after,
  afterAny,
  entriesOf,
  FIRST_VIEW,
  listOf,
  locate,
  type Missing,
  type Target,
  type View,
} from './view';

/** One place where a plan looks into a document: which pointer, into what, in search of what. */
export interface Read extends Comparison {
  readonly target: Target | Missing;
}

/** Every read of a plan, but for those inside its child runs, which see another world. */
export function readsOf(root: Place): readonly Read[] {
  const reads: Read[] = [];
  collect(root, FIRST_VIEW, { produced: producedIn(root), reads });
  return reads;
}

interface Collector {
  readonly produced: ReadonlyMap<string, Produced>;
  readonly reads: Read[];
}

function collect(place: Place, view: View, collector: Collector): void {
  const { step, path } = place;
  if (step.when !== undefined) collector.reads.push(...readsIn(step.when, `${path}.when`, view));
  collector.reads.push(...ownReads(place, view, collector));
  if (step.type === 'run') return;
  let seen = insideView(place, view, collector);
  for (const inner of innerPlaces(place)) {
    collect(inner, seen, collector);
    if (step.type === 'sequence') seen = after(seen, collector.produced.get(inner.path));
  }
}

/** What the children of a step see: in what goes round, also what came of an earlier round. */
function insideView(place: Place, view: View, { produced }: Collector): View {
  const { step, address } = place;
  if (step.type === 'map') return { ...view, item: entriesOf(step, address, view) };
  if (step.type !== 'adaptive' && step.type !== 'loop') return view;
  return { ...afterAny(view, placesIn(place, produced)), rounds: true };
}

function placesIn(place: Place, produced: ReadonlyMap<string, Produced>): readonly Produced[] {
  return innerPlaces(place).flatMap(({ path }) => produced.get(path) ?? []);
}

/** What a step itself looks at, beside its condition. */
function ownReads(place: Place, view: View, { produced }: Collector): readonly Read[] {
  const { step, path } = place;
  switch (step.type) {
    case 'map': {
      const wanted = { what: 'type', types: ['array'] } as const;
      return [{ path: `${path}.over`, pointer: step.over, wanted, target: locate(step.over, view) }];
    }
    case 'loop': {
      if (step.until === undefined) return [];
      const [body] = placesIn(place, produced);
      return readsIn(step.until, `${path}.until`, { ...after(view, body), rounds: true });
    }
    case 'wait':
      return step.for === 'context' && step.where !== undefined ? contextReads(step, path) : [];
    case 'parallel':
      return aggregateReads(step, path, placesIn(place, produced));
    case 'adaptive':
      return adaptiveReads(place, step, { view, produced: placesIn(place, produced) });
    case 'agent':
    case 'sequence':
    case 'run':
    case 'approval':
      return [];
  }
}

type Of<T extends Step['type']> = Extract<Step, { type: T }>;

function contextReads(step: Extract<Of<'wait'>, { for: 'context' }>, path: string): readonly Read[] {
  if (step.where === undefined) return [];
  const shape: Shape = { kind: 'open', source: { from: 'context', key: step.key } };
  return comparisonsOf(step.where, `${path}.where`).map((comparison) => ({
    ...comparison,
    target: { shape, tokens: tokensOf(comparison.pointer) },
  }));
}

function aggregateReads(
  { aggregate }: Of<'parallel'>,
  path: string,
  branches: readonly Produced[],
): readonly Read[] {
  if (typeof aggregate !== 'object' || 'agent' in aggregate) return [];
  const voting = 'vote' in aggregate;
  const pointer = voting ? aggregate.vote : aggregate.best;
  const shape = anyOf(branches.flatMap((branch) => listOf(branch.shape)));
  return [
    {
      path: `${path}.aggregate.${voting ? 'vote' : 'best'}`,
      pointer,
      wanted: { what: 'type', types: voting ? ['string', 'number', 'boolean'] : ['number'] },
      target: { shape, tokens: tokensOf(pointer) },
    },
  ];
}

function adaptiveReads(
  { path, address }: Place,
  step: Of<'adaptive'>,
  { view, produced }: { readonly view: View; readonly produced: readonly Produced[] },
): readonly Read[] {
  const { router, handOff, options } = step;
  const text = { what: 'type', types: ['string'] } as const;
  const outputs = anyOf(produced.flatMap(({ shape }) => listOf(shape)));
  const handOffs: Read[] =
    handOff === undefined
      ? []
      : [
          {
            path: `${path}.handOff`,
            pointer: handOff,
            wanted: { what: 'equal', values: [...options.map(({ id }) => id), 'finish'] },
            target: { shape: outputs, tokens: tokensOf(handOff) },
          },
        ];
  if (router.by === 'rules') {
    const seen = { ...afterAny(view, produced), rounds: true };
    return [
      ...handOffs,
      ...router.rules.flatMap(({ when }, i) => readsIn(when, `${path}.router.rules[${i}].when`, seen)),
    ];
  }
  const agent = router.by === 'agent' ? router.agent : ROUTER_AGENT;
  const shape: Shape = { kind: 'made', address: childAddress(address, 'router'), agent };
  const answers = [ROUTE_POINTERS.next, ROUTE_POINTERS.reason].map((pointer): Read => {
    const wanted: Wanted = pointer === ROUTE_POINTERS.next ? text : { what: 'anything' };
    return { path: `${path}.router`, pointer, wanted, target: { shape, tokens: tokensOf(pointer) } };
  });
  return [...handOffs, ...answers];
}

function readsIn(predicate: Predicate, path: string, view: View): readonly Read[] {
  return comparisonsOf(predicate, path).map((comparison) => ({
    ...comparison,
    target: locate(comparison.pointer, view),
  }));
}
