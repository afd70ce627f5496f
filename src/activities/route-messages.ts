import { route, type BusState, type KnownBatch, type Lookups, type Routed } from '../core/bus/route';
import { rulesOf } from '../core/bus/mailbox';
import { type Found, foundAmong } from '../core/bus/wanted';
import type { Repositories } from '../db/repositories';
import type { BusChange, Burial, OpenBus } from '../db/messages/route';
import { AppError } from '../protocol/failures';
import type { Json } from '../protocol/json';
import { LIMITS } from '../protocol/limits';
import {
  type LanedBatch,
  type LanedItem,
  type MessageItem,
  SUBSCRIBE,
  type SubscriptionRequest,
} from '../protocol/message';
import { typeProblem } from '../protocol/message-type';
import type { Logger } from '../telemetry/log';
import { identify } from './bus/identify';
import { isUnreadable, keepable, readBatch, type Unreadable } from './bus/read-batch';

/** Whose bus it is. */
export interface BusKey {
  readonly tenantId: string;
  readonly runId: string;
}

/** What the bus workflow needs to know: that it may end, since its run is over. */
export interface RouteAnswer {
  readonly closed: boolean;
  /** Steps of the run's plan and agents that wait for what has come, and since which message; absent where there are none. */
  readonly wakes?: readonly Wake[];
}

export type Wake = Pick<Found, 'address' | 'seq'>;

interface RouteDeps {
  readonly repositories: Repositories;
  readonly log: Logger;
}

/**
 * Routes what signals have brought, in their order, in one transaction. Without batches it says whether the run is still
 * open. What cannot be routed is buried with its reason; only a database that is away makes it fail.
 */
export function createRouteMessages(deps: RouteDeps) {
  return async (key: BusKey, ...given: readonly unknown[]): Promise<RouteAnswer> => {
    const read = await Promise.all(given.map(readBatch));
    try {
      return await routeAll(deps, key, read);
    } catch (error) {
      if (!isFaultOfContent(error)) throw error;
      deps.log.error({ err: error, runId: key.runId, tenant: key.tenantId }, 'a batch cannot be routed');
    }
    // One after the other, so that the one at fault is found and no other one waits for it.
    let answer: RouteAnswer = { closed: false };
    // What one of them has found, the next one answers too.
    for (const one of read) answer = await routeAlone(deps, key, one);
    return answer;
  };
}

/** What no other attempt would change, and what is not about the run either. */
function isFaultOfContent(error: unknown): boolean {
  return (
    AppError.is(error) &&
    !['DATABASE_UNAVAILABLE', 'DATABASE_SCHEMA_OUTDATED', 'RUN_UNKNOWN'].includes(error.code)
  );
}

async function routeAlone(deps: RouteDeps, key: BusKey, one: LanedBatch | Unreadable): Promise<RouteAnswer> {
  try {
    return await routeAll(deps, key, [one]);
  } catch (error) {
    if (!AppError.is(error) || !isFaultOfContent(error)) throw error;
    const detail = `The batch cannot be stored: ${error.message}`.slice(0, LIMITS.failureChars);
    return await routeAll(deps, key, [{ reason: 'invalid', detail }]);
  }
}

async function routeAll(
  { repositories }: RouteDeps,
  { tenantId, runId }: BusKey,
  read: readonly (LanedBatch | Unreadable)[],
): Promise<RouteAnswer> {
  const batches = read.flatMap((one) => (isUnreadable(one) ? [] : [one]));
  const publishers = [...new Set(batches.flatMap(({ lanes }) => lanes.map(({ publisher }) => publisher)))];
  const agentRuns = publishers.filter((publisher) => !publisher.startsWith('client:'));
  const busy = batches.some(({ items }) => items.some(({ capability }) => capability !== undefined));
  const unreadable = read.filter(isUnreadable).map(buried);
  let closed = false;
  let found: readonly Found[] = [];
  await repositories.messages.route(tenantId, { runId, publishers, agentRuns, busy }, async (bus) => {
    closed = bus.final;
    if (bus.final) return refused(bus, batches, unreadable);
    const { known, senders, strangers } = identify(bus, batches);
    const state = await stateFor(bus, known);
    const lookups = await lookupsFor({ repositories, tenantId }, state, known);
    const routed = route(state, known, lookups);
    found = foundAmong(bus.waits, routed);
    return { routed, senders, dead: [...unreadable, ...strangers], found };
  });
  const wakes = found.map(({ address, seq }) => ({ address, seq }));
  return { closed, ...(wakes.length === 0 ? {} : { wakes }) };
}

/** What a call cannot know before it has seen who sends what. */
async function stateFor(bus: OpenBus, batches: readonly KnownBatch[]): Promise<BusState> {
  const { state } = bus;
  const items = batches.flatMap((batch) =>
    batch.items.map((item) => ({ item, sender: senderOf(batch, item) })),
  );
  const dropping = bus.members
    .map(({ name }) => name)
    .filter((name) => {
      const { limit, policy } = rulesOf(state.settings, name);
      return policy === 'drop-lowest' && (state.pending.get(name) ?? 0) + items.length > limit;
    });
  const subscribing = items.filter(({ item }) => item.type === SUBSCRIBE && isSinceStart(item.content));
  return {
    ...state,
    waiting: await bus.waiting(dropping),
    published: await bus.published([...new Set(subscribing.map(({ sender }) => sender))]),
  };
}

function senderOf({ lanes }: KnownBatch, { lane = 0 }: LanedItem): string {
  return lanes[lane]?.sender ?? '';
}

function isSinceStart(content: Json | undefined): boolean {
  return (content as SubscriptionRequest).since === 'start';
}

/** Contents behind references are fetched only where somebody may choose messages by them. */
async function lookupsFor(
  { repositories, tenantId }: { readonly repositories: Repositories; readonly tenantId: string },
  { subscriptions, published }: BusState,
  batches: readonly KnownBatch[],
): Promise<Lookups> {
  const items = batches.flatMap((batch) => batch.items);
  const choosy =
    subscriptions.some(({ where }) => where !== undefined) || items.some(({ type }) => type === SUBSCRIBE);
  const loaded = new Map<string, Json>();
  if (choosy)
    for (const item of [...items, ...[...published.values()].flat().map((one) => one.item)])
      if (item.ref !== undefined && item.topic !== undefined && !loaded.has(item.ref.blob)) {
        // A reference to nothing is delivered as it is; whoever reads it is told.
        const content = await repositories.values.load(tenantId, { ref: item.ref }).catch(() => undefined);
        if (content !== undefined) loaded.set(item.ref.blob, content);
      }
  return {
    problemOf: ({ type, content }) => typeProblem(type, content),
    contentOf: ({ content, ref }) => (ref === undefined ? content : loaded.get(ref.blob)),
  };
}

/** After the run's end nothing is added to its log; what came too late is kept with its reason. */
function refused(bus: OpenBus, batches: readonly LanedBatch[], unreadable: readonly Burial[]): BusChange {
  const late = batches.flatMap(({ lanes, items }) =>
    items
      // Its sender watches the log, and is told itself.
      .filter(({ lane = 0 }) => lanes[lane]?.resends !== true)
      .map((item): Burial => ({
        reason: 'bus-closed',
        detail: 'The run is over',
        publisher: lanes[item.lane ?? 0]?.publisher,
        content: asJson(item),
      })),
  );
  return { routed: nothing(bus), senders: new Map(), dead: [...unreadable, ...late], found: [] };
}

function nothing({ state: { lastSeq } }: OpenBus): Routed {
  return {
    lastSeq,
    logged: [],
    mailboxes: new Map(),
    dead: [],
    publishers: new Map(),
    subscriptions: [],
    blocking: new Set(),
  };
}

function buried({ reason, detail, raw, given }: Unreadable): Burial {
  return {
    reason,
    detail,
    ...(raw === undefined ? { content: keepable(given) } : { raw: raw.toString('base64') }),
  };
}

function asJson(item: MessageItem): Json {
  return { ...item } as Json;
}
