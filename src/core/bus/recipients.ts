import type { Json } from '../../protocol/json';
import type { MessageItem } from '../../protocol/message';
import type { Predicate } from '../../protocol/predicate';
import { holds } from '../predicate';
import { matchesTopic } from './topics';

export interface Member {
  readonly name: string;
  readonly agentType: string;
  readonly capabilities: readonly string[];
}

export interface Subscription {
  readonly member: string;
  readonly topic?: string | undefined;
  readonly where?: Predicate | undefined;
}

/** Who there is to receive, and how much each has to do. */
export interface Audience {
  readonly members: ReadonlyMap<string, Member>;
  readonly subscriptions: readonly Subscription[];
  /** Senders from outside: what is for them is read from the history. */
  readonly isClient: (name: string) => boolean;
  readonly load: (member: string) => number;
}

/** A message as predicates see it. `content` is missing where it was not loaded. */
export interface Document {
  readonly from: string;
  readonly item: MessageItem;
  readonly content: Json | undefined;
}

export type Recipients =
  | { readonly type: 'members'; readonly names: readonly string[] }
  | {
      readonly type: 'none';
      readonly reason: 'unknown-recipient' | 'no-capability';
      readonly detail: string;
    };

/**
 * Who gets a message. Nobody hears their own broadcasts and publications; a topic without subscribers, or a predicate
 * that holds for nobody, is no fault.
 */
export function recipientsOf(audience: Audience, document: Document): Recipients {
  const { item, from } = document;
  if (item.to !== undefined) return direct(audience, item.to);
  if (item.capability !== undefined) return leastBusy(audience, from, item.capability);
  const { where } = item;
  const others = [...audience.members.values()].filter(({ name }) => name !== from);
  if (where !== undefined) return members(others.filter((member) => holds(where, asJson(member))));
  if (item.broadcast === true) return members(others);
  return { type: 'members', names: subscribersOf(audience.subscriptions, document) };
}

/** Each member once, however many of its subscriptions fit. */
function subscribersOf(subscriptions: readonly Subscription[], document: Document): readonly string[] {
  const fitting = subscriptions.filter(
    (subscription) => subscription.member !== document.from && wants(subscription, document),
  );
  return [...new Set(fitting.map(({ member }) => member))];
}

export function wants({ topic, where }: Subscription, { item, from, content }: Document): boolean {
  if (item.topic === undefined) return false;
  if (topic !== undefined && !matchesTopic(topic, item.topic)) return false;
  if (where === undefined) return true;
  const { type, priority = 'normal' } = item;
  const known = { from, type, priority, topic: item.topic };
  return holds(where, content === undefined ? known : { ...known, content });
}

function direct({ members: known, isClient }: Audience, to: string): Recipients {
  if (known.has(to)) return { type: 'members', names: [to] };
  if (isClient(to)) return { type: 'members', names: [] };
  return { type: 'none', reason: 'unknown-recipient', detail: `The run has no member "${to}"` };
}

function leastBusy(audience: Audience, from: string, capability: string): Recipients {
  const able = [...audience.members.values()]
    .filter(({ name, capabilities }) => name !== from && capabilities.includes(capability))
    .toSorted((a, b) => audience.load(a.name) - audience.load(b.name) || (a.name < b.name ? -1 : 1));
  const [first] = able;
  if (first !== undefined) return members([first]);
  return { type: 'none', reason: 'no-capability', detail: `No other member offers "${capability}"` };
}

function members(list: readonly Member[]): Recipients {
  return { type: 'members', names: list.map(({ name }) => name) };
}

/** Capabilities as an object, since predicates ask by pointer: `/capabilities/dependency-path` exists. */
function asJson({ name, agentType, capabilities }: Member): Json {
  return { name, agentType, capabilities: Object.fromEntries(capabilities.map((one) => [one, true])) };
}
