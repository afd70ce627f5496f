import { LIMITS } from '../protocol/limits';
import { type Asleep, WOKEN_BY, type WaitsFor } from '../protocol/rest';
import { type Check, isObject, listOf, notWanted, objectOf, oneOf, optional, text, whole } from './check';
import { predicate } from './check-plan';

type For<K> = Extract<WaitsFor, { for: K }>;
const count = whole(0, Number.MAX_SAFE_INTEGER);

const KINDS: { readonly [K in WaitsFor['for']]: Check } = {
  message: objectOf<For<'message'>>({
    for: text,
    from: optional(listOf(text, { min: 0, max: LIMITS.constantsPerPredicate })),
  }),
  context: objectOf<For<'context'>>({ for: text, key: text, where: predicate, version: count }),
};

const waitsFor: Check = (value, place) => {
  const kind = isObject(value) ? value['for'] : undefined;
  return kind === 'message' || kind === 'context'
    ? KINDS[kind](value, place)
    : notWanted(value, place, 'must wait for a message or the context');
};

/** How an agent sleeps, by whoever completed its activity or says to have carried it on. */
export const asleepCheck: Check = objectOf<Asleep>({
  turn: whole(1, LIMITS.turnsPerAgentRun),
  untilMs: count,
  waitsFor,
  wokenBy: oneOf(...WOKEN_BY),
  written: whole(0, LIMITS.contextWritesAtOnce),
});
