import type { Value } from '../protocol/json';
import { type Facts, lookUp, NO_FACTS } from './facts';
import type { Look } from './predicate';

/**
 * What the predicates of a step can see. It is lexical: a step sees what came before it where it stands, never what a
 * branch beside it does at the same time. Only the context is the same for all.
 */
export interface Scope {
  readonly task: Value;
  readonly input: Value;
  readonly context: { readonly [key: string]: Value };
  /** By the step's id, else its agent's name; the latest of a name counts. */
  readonly outputs: { readonly [name: string]: Value };
  /** The output of the step before. */
  readonly last?: Value;
  /** In a loop or an adaptive step: how many times it has gone round, the one under way included. */
  readonly iteration?: number;
  /** In a map: the entry, and its index from 0. */
  readonly item?: Value;
  readonly index?: number;
}

export const EMPTY_SCOPE: Scope = {
  task: { inline: null },
  input: { inline: null },
  context: {},
  outputs: {},
};

/** A scope, and what is known of the blobs in it. */
export interface World {
  readonly scope: Scope;
  readonly facts: Facts;
  /** How many entries the map goes over that is to be decided on, once that is known. */
  readonly entries?: number | undefined;
}

export const EMPTY_WORLD: World = { scope: EMPTY_SCOPE, facts: NO_FACTS };

/** The document of a scope: `/task`, `/input`, `/context/<key>`, `/outputs/<name>`, `/last`, `/iteration`, `/item`, `/index`. */
export function lookInto({ scope, facts }: World): Look {
  const document = documentOf(scope);
  return (pointer) => lookUp(document, pointer, facts);
}

export function documentOf({ context, outputs, iteration, index, ...values }: Scope): Value {
  return {
    record: {
      ...values,
      context: { record: context },
      outputs: { record: outputs },
      ...(iteration === undefined ? {} : { iteration: { inline: iteration } }),
      ...(index === undefined ? {} : { index: { inline: index } }),
    },
  };
}
