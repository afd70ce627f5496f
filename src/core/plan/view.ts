import type { MapStep } from '../../protocol/plan';
import { ownValue, pointerOf, tokensOf } from '../pointer';
import { listed } from './problem';
import { anyOf, entriesIn, joined, OPEN, type Produced, type Shape, type Source } from './shapes';

/** What predicates of a step can see, before anything has run. */
export interface View {
  readonly outputs: { readonly [name: string]: Shape };
  readonly last?: Shape | undefined;
  /** Whether there is an `/iteration`. */
  readonly rounds: boolean;
  /** In a map: what its entries are. */
  readonly item?: Shape;
}

export const FIRST_VIEW: View = { outputs: {}, rounds: false };

/** What a pointer leads into, and the rest of the way. */
export interface Target {
  readonly shape: Shape;
  readonly tokens: readonly string[];
}

/** Why there is nothing to look into, and the way out. */
export interface Missing {
  readonly message: string;
  readonly hint: string;
}

/** What a later step sees once another has ended. */
export function after(view: View, produced: Produced | undefined): View {
  if (produced === undefined) return view;
  const { shape, certain, leaves } = produced;
  const before = certain ? [] : listOf(view.last);
  const last = [...before, ...listOf(shape)];
  return {
    ...view,
    outputs: joined([view.outputs, leaves]),
    last: last.length === 0 ? view.last : anyOf(last),
  };
}

/** What is seen once any of several may have ended, or none. */
export function afterAny(view: View, produced: readonly Produced[]): View {
  const last = [...listOf(view.last), ...produced.flatMap(({ shape }) => listOf(shape))];
  return {
    ...view,
    outputs: joined([view.outputs, ...produced.map(({ leaves }) => leaves)]),
    last: last.length === 0 ? undefined : anyOf(last),
  };
}

export function listOf<T>(value: T | undefined): T[] {
  return value === undefined ? [] : [value];
}

const NUMBER: Shape = { kind: 'schema', schema: { type: 'integer' } };

/** What the document of a step has at a pointer's beginning. */
export function locate(pointer: string, view: View): Target | Missing {
  const [root = '', name, ...rest] = tokensOf(pointer);
  const inside = name === undefined ? [] : [name, ...rest];
  const within = (shape: Shape | undefined, missing: Missing): Target | Missing =>
    shape === undefined ? missing : { shape, tokens: inside };
  switch (root) {
    case 'task':
    case 'input':
      return { shape: { kind: 'open', source: { from: root } }, tokens: inside };
    case 'context':
      return inContext(name, rest);
    case 'outputs':
      return inOutputs(name, rest, view);
    case 'last':
      return within(view.last, {
        message: 'asks for /last where no step before it has an output',
        hint: 'ask for /input, /task or /context, or put a step before it',
      });
    case 'iteration':
      return within(view.rounds ? NUMBER : undefined, {
        message: 'asks for /iteration outside of any loop or adaptive step',
        hint: 'only what goes round is counted',
      });
    case 'index':
    case 'item':
      return within(view.item === undefined ? undefined : root === 'item' ? view.item : NUMBER, {
        message: `asks for /${root} outside of any map`,
        hint: 'only the step of a map has an entry',
      });
    default:
      return {
        message: `asks for "${pointer}", which no step sees`,
        hint: 'a predicate sees /task, /input, /context/KEY, /outputs/NAME, /last, /iteration, /item and /index',
      };
  }
}

function inContext(key: string | undefined, rest: readonly string[]): Target | Missing {
  if (key === undefined)
    return { message: 'asks for the whole context', hint: 'name a key, as in /context/KEY' };
  if (key.startsWith('outputs.'))
    return {
      message: `asks the context for an agent's output`,
      hint: `ask for ${pointerOf(['outputs', key.slice('outputs.'.length), ...rest])}`,
    };
  const source: Source = { from: 'context', key };
  return { shape: { kind: 'open', source }, tokens: rest };
}

function inOutputs(name: string | undefined, rest: readonly string[], { outputs }: View): Target | Missing {
  const shape = name === undefined ? undefined : ownValue(outputs, name);
  if (shape !== undefined) return { shape, tokens: rest };
  const names = listed(Object.keys(outputs), 'no step before this one leaves any');
  if (name === undefined) return { message: 'asks for all outputs', hint: `name one of them: ${names}` };
  return {
    message: `asks for the output of "${name}", which no step before it leaves`,
    hint: `outputs that can be seen here: ${names}`,
  };
}

/** What the entries are that the map at an address goes over. */
export function entriesOf({ over }: MapStep, address: string, view: View): Shape {
  const target = locate(over, view);
  return 'shape' in target ? entriesIn(target.shape, target.tokens, address) : OPEN;
}
