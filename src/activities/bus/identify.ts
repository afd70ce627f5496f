import type { KnownBatch } from '../../core/bus/route';
import type { Burial, OpenBus } from '../../db/messages/route';
import type { Lane, LanedBatch, MessageItem } from '../../protocol/message';
import { keepable } from './read-batch';
import { isSignedBy } from './signature';

export interface Identified {
  readonly known: readonly KnownBatch[];
  readonly senders: ReadonlyMap<string, string>;
  /** What came from somebody who is not who they say. */
  readonly strangers: readonly Burial[];
}

/** Who is behind each lane: clients are who they say, members who their attempt's token says. */
export function identify(bus: OpenBus, batches: readonly LanedBatch[]): Identified {
  const senders = new Map<string, string>();
  const strangers: Burial[] = [];
  const known = batches.map((batch): KnownBatch => {
    const lanes = batch.lanes.map((lane, index) => {
      const sender = senderOf(bus, batch, index);
      if (sender.type === 'known') senders.set(lane.publisher, sender.name);
      if (sender.type === 'stranger') strangers.push(stranger(lane, itemsOf(batch, index)));
      return { ...lane, sender: sender.type === 'known' ? sender.name : '' };
    });
    if (lanes.every(({ sender }) => sender !== '')) return { lanes, items: batch.items };
    return { lanes, items: batch.items.filter(({ lane = 0 }) => lanes[lane]?.sender !== '') };
  });
  return { known: known.map(withoutUnknownLanes), senders, strangers };
}

/** `fenced`: a real member whose attempt is over; what it still sends is nobody's any more. */
type Sender =
  | { readonly type: 'known'; readonly name: string }
  | { readonly type: 'stranger' }
  | { readonly type: 'fenced' };

function senderOf({ agentRuns }: OpenBus, batch: LanedBatch, index: number): Sender {
  const lane = batch.lanes[index];
  if (lane === undefined) return { type: 'stranger' };
  const { publisher } = lane;
  if (publisher.startsWith('client:'))
    return { type: 'known', name: publisher.split('/', 1)[0] ?? publisher };
  const agentRun = agentRuns.find(({ id }) => id === publisher);
  if (agentRun === undefined) return { type: 'stranger' };
  const { tokenHash, attempt, status, agent } = agentRun;
  if (tokenHash !== null && attempt === lane.attempt) {
    // As the outbox wrote them: reading and writing JSON again gives the same text.
    return isSignedBy(
      tokenHash,
      lane,
      itemsOf(batch, index).map((item) => JSON.stringify(item)),
    )
      ? { type: 'known', name: agent }
      : { type: 'stranger' };
  }
  return attempt > lane.attempt || status !== 'running' ? { type: 'fenced' } : { type: 'stranger' };
}

/** What a lane says, without the lane's number. */
function itemsOf({ items }: LanedBatch, index: number): readonly MessageItem[] {
  return items
    .filter(({ lane = 0 }) => lane === index)
    .map((item) => {
      const { lane: _, ...own } = item;
      return own;
    });
}

/** Lanes of nobody stay in their place, so that the items' numbers of lanes hold, but say nothing. */
function withoutUnknownLanes({ lanes, items }: KnownBatch): KnownBatch {
  if (lanes.every(({ sender }) => sender !== '')) return { lanes, items };
  const kept = lanes.flatMap((lane, index) => (lane.sender === '' ? [] : [index]));
  return {
    lanes: kept.flatMap((index) => lanes[index] ?? []),
    items: items.map((item) => ({ ...item, lane: kept.indexOf(item.lane ?? 0) })),
  };
}

function stranger({ publisher }: Lane, items: readonly MessageItem[]): Burial {
  return {
    reason: 'unknown-publisher',
    detail: 'Not a client, and not signed with the token of a member of this run',
    publisher,
    content: keepable(items),
  };
}
