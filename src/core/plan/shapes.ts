import type { AgentName } from '../../protocol/agent';
import type { Json, JsonObject } from '../../protocol/json';
import type { ParallelStep, Step } from '../../protocol/plan';
import { childAddress } from '../addresses';
import { isIndex, ownValue, valueAt } from '../pointer';
import { branchKeys, outputName } from '../strategies/branch-keys';
import { innerPlaces, type Place } from './places';

/** What is known of an output before anything has run. */
export type Shape =
  /** Made at an address: by an agent, whose schema tells more, or by a child run. */
  | { readonly kind: 'made'; readonly address: string; readonly agent?: AgentName }
  | { readonly kind: 'schema'; readonly schema: JsonObject }
  | { readonly kind: 'fixed'; readonly json: Json }
  | { readonly kind: 'record'; readonly fields: { readonly [key: string]: Shape } }
  | { readonly kind: 'list'; readonly entries: Shape }
  | { readonly kind: 'any'; readonly of: readonly Shape[] }
  | EntryShape
  /** Anything, from outside the plan. */
  | { readonly kind: 'open'; readonly source?: Source };

/** An entry of what stands at a place of something, for the map at an address. */
export interface EntryShape {
  readonly kind: 'entry';
  readonly map: string;
  readonly of: Extract<Shape, { kind: 'made' | 'open' | 'schema' | 'entry' }>;
  readonly tokens: readonly string[];
}

/** What facts are extracted from, beside outputs. */
export type Source =
  | { readonly from: 'context'; readonly key: string }
  | { readonly from: 'input' }
  | { readonly from: 'task' };

export const OPEN: Shape = { kind: 'open' };
const NOTHING: Shape = { kind: 'fixed', json: null };

/** What a step leaves behind. */
export interface Produced {
  /** Absent where it never has an output. */
  readonly shape: Shape | undefined;
  /** Whether it has one whenever what comes after it runs. */
  readonly certain: boolean;
  readonly leaves: { readonly [name: string]: Shape };
}

const APPROVAL: Shape = {
  kind: 'schema',
  schema: {
    type: 'object',
    properties: {
      decision: { const: 'approved' },
      by: { type: 'string' },
      note: { anyOf: [{ type: 'string' }, { type: 'null' }] },
    },
    additionalProperties: false,
  },
};

/** What every step of a plan leaves behind, by path. */
export function producedIn(root: Place): ReadonlyMap<string, Produced> {
  const all = new Map<string, Produced>();
  visit(root, undefined, all);
  return all;
}

function visit(place: Place, parent: Step | undefined, all: Map<string, Produced>): Produced {
  const { step } = place;
  const children = innerPlaces(place).map((inner) => visit(inner, step, all));
  const made = shapeOf(place, children);
  const own = withFallback(place, made);
  const name = outputName(step);
  const produced: Produced = {
    shape: own,
    // A timer has no output, though its fallback may have one.
    certain: made !== undefined && step.when === undefined && !isTolerated(step, parent),
    leaves: joined([
      ...(step.type === 'run' || step.type === 'map' ? [] : children.map(({ leaves }) => leaves)),
      name === undefined || own === undefined ? {} : { [name]: own },
    ]),
  };
  all.set(place.path, produced);
  return produced;
}

function isTolerated({ onFailure }: Step, parent: Step | undefined): boolean {
  return onFailure === 'skip' || (onFailure === undefined && parent?.type === 'parallel');
}

/** Several leave something under one name: any of it may be what is found. */
export function joined(leaves: readonly { readonly [name: string]: Shape }[]): Record<string, Shape> {
  const all = new Map<string, Shape[]>();
  for (const [name, shape] of leaves.flatMap((one) => Object.entries(one)))
    all.set(name, [...(all.get(name) ?? []), shape]);
  return Object.fromEntries([...all].map(([name, shapes]) => [name, anyOf(shapes)]));
}

export function anyOf(shapes: readonly Shape[]): Shape {
  const [only, ...more] = shapes;
  return only !== undefined && more.length === 0 ? only : { kind: 'any', of: shapes };
}

function shapeOf(place: Place, children: readonly Produced[]): Shape | undefined {
  const { step, address } = place;
  const shapes = children.flatMap(({ shape }) => shape ?? []);
  const certain = children.every((child) => child.certain);
  switch (step.type) {
    case 'agent':
      return { kind: 'made', address, agent: step.agent };
    case 'sequence': {
      const sure = children.findLastIndex(({ certain }) => certain);
      const last = children.slice(Math.max(0, sure)).flatMap(({ shape }) => shape ?? []);
      return anyOf(sure < 0 ? [...last, NOTHING] : last);
    }
    case 'parallel':
      return aggregated({ ...place, step }, children);
    case 'adaptive':
    case 'loop':
      return anyOf([...shapes, NOTHING]);
    case 'map':
      return { kind: 'list', entries: anyOf([...shapes, ...(certain ? [] : [NOTHING])]) };
    case 'run':
      return { kind: 'made', address };
    case 'approval':
      return APPROVAL;
    case 'wait':
      if (step.for === 'context') return { kind: 'open', source: { from: 'context', key: step.key } };
      return step.for === 'timer' ? undefined : { kind: 'made', address };
  }
}

function aggregated({ step, address }: Place<ParallelStep>, children: readonly Produced[]): Shape {
  const shapes = children.flatMap(({ shape }) => shape ?? []);
  const { aggregate = 'merge' } = step;
  if (aggregate === 'concat') return { kind: 'list', entries: anyOf(shapes) };
  if (aggregate === 'merge') {
    const fields = branchKeys(step.steps).flatMap((key, index): [string, Shape][] => {
      const shape = children[index]?.shape;
      return shape === undefined ? [] : [[key, shape]];
    });
    return { kind: 'record', fields: Object.fromEntries(fields) };
  }
  if (!('agent' in aggregate)) return anyOf([...shapes, NOTHING]);
  return anyOf([
    { kind: 'made', address: childAddress(address, 'aggregate'), agent: aggregate.agent },
    NOTHING,
  ]);
}

function withFallback({ step, address }: Place, own: Shape | undefined): Shape | undefined {
  if (typeof step.onFailure !== 'object') return own;
  const { fallback } = step.onFailure;
  const instead: Shape =
    'agent' in fallback
      ? { kind: 'made', address: childAddress(address, 'fallback'), agent: fallback.agent }
      : { kind: 'fixed', json: fallback.value };
  return anyOf(own === undefined ? [instead] : [own, instead]);
}

/** What a pointer into a shape comes to: a place in a document, something fixed, or the outside of one. */
export type Found =
  | { readonly at: Extract<Shape, { kind: 'made' | 'open' | 'entry' }>; readonly tokens: readonly string[] }
  | { readonly schema: JsonObject; readonly tokens: readonly string[] };

/** Everything that can stand there; nothing where the shape excludes it. */
export function findIn(shape: Shape, tokens: readonly string[]): readonly Found[] {
  const [first, ...rest] = tokens;
  switch (shape.kind) {
    case 'made':
    case 'open':
    case 'entry':
      return [{ at: shape, tokens }];
    case 'schema':
      return [{ schema: shape.schema, tokens }];
    case 'fixed': {
      const json = valueAt(shape.json, tokens);
      return json === undefined ? [] : [{ schema: { const: json }, tokens: [] }];
    }
    case 'any':
      return shape.of.flatMap((one) => findIn(one, tokens));
    case 'record': {
      if (first === undefined) return [{ schema: { type: 'object' }, tokens: [] }];
      const field = ownValue(shape.fields, first);
      return field === undefined ? [] : findIn(field, rest);
    }
    case 'list':
      if (first === undefined) return [{ schema: { type: 'array' }, tokens: [] }];
      return isIndex(first) ? findIn(shape.entries, rest) : [];
  }
}

/** What the entries of the list are that stands at a place of a shape, as the map at an address sees them. */
export function entriesIn(shape: Shape, tokens: readonly string[], map: string): Shape {
  const [first, ...rest] = tokens;
  switch (shape.kind) {
    case 'made':
    case 'open':
    case 'schema':
    case 'entry':
      return { kind: 'entry', map, of: shape, tokens };
    case 'fixed': {
      const json = valueAt(shape.json, tokens);
      const entries: readonly Json[] = Array.isArray(json) ? json : [];
      return anyOf(entries.map((entry) => ({ kind: 'fixed', json: entry })));
    }
    case 'any':
      return anyOf(shape.of.map((one) => entriesIn(one, tokens, map)));
    case 'record': {
      const field = first === undefined ? undefined : ownValue(shape.fields, first);
      return field === undefined ? anyOf([]) : entriesIn(field, rest, map);
    }
    case 'list':
      return first === undefined ? shape.entries : entriesIn(shape.entries, rest, map);
  }
}
