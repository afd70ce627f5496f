import stringify from 'safe-stable-stringify';
import type { SentItem, SentPage } from '../../db/messages/read';
import type { PublisherState } from '../../core/bus/publisher';
import { AppError } from '../../protocol/failures';
import type { MessageItem } from '../../protocol/message';
import { itemProblem } from './check-item';
import type { Outbox, OutboxLane } from './outbox';
import type { ShortWay } from './short-way';

export interface PublisherDeps {
  readonly outbox: Outbox;
  readonly state: (publisher: string) => Promise<PublisherState | undefined>;
  readonly sent: (page: Omit<SentPage, 'runId'>) => Promise<readonly SentItem[]>;
  /** Made once everything is in the log that an earlier attempt said; members have one. */
  readonly shortWay?: (() => ShortWay) | undefined;
}

/** Where a lane goes on. */
interface Beginning {
  readonly last: number;
  readonly predecessor: readonly SentItem[];
}

const AT_FIRST: Beginning = { last: 0, predecessor: [] };
const PAGE = 1_000;

/**
 * One sender's way into the log. An attempt that has a predecessor first makes sure that the predecessor says nothing any
 * more, and then leaves out what it repeats of it; from the first difference on, everything is a new message.
 */
export class Publisher {
  private readonly outbox: Outbox;
  private readonly underWay = new Set<Promise<unknown>>();
  private last: number;
  /** What the predecessor sent in this turn and this attempt has not repeated yet. */
  private predecessor: readonly SentItem[];
  private readonly shortWay: ShortWay | undefined;

  private constructor(
    { outbox, shortWay }: PublisherDeps,
    private readonly lane: OutboxLane,
    begin: Beginning,
  ) {
    this.outbox = outbox;
    this.shortWay = shortWay?.();
    this.last = begin.last;
    this.predecessor = begin.predecessor;
  }

  static async open(deps: PublisherDeps, lane: OutboxLane): Promise<Publisher> {
    const first = lane.turn === 1 && lane.attempt === 1;
    return new Publisher(deps, lane, first ? AT_FIRST : await beginAfter(deps, lane));
  }

  /** The id of the next message; the same in every attempt that has said the same before. */
  get nextId(): string {
    return this.idOf(this.predecessor[0]?.number ?? this.last + 1);
  }

  /** Resolves with the message's id when it is in the log. Rejects with INPUT_INVALID, ATTEMPT_FENCED and BUS_CLOSED. */
  send(item: MessageItem): Promise<string> {
    // The bus would bury the whole batch, and this lane would never come past it.
    const problem = itemProblem(item, 1);
    if (problem !== undefined) return Promise.reject(new AppError('INPUT_INVALID', `A message${problem}`));
    const [repeated, ...rest] = this.predecessor;
    if (repeated !== undefined && canonical(repeated.item) === canonical(item)) {
      this.predecessor = rest;
      return Promise.resolve(this.idOf(repeated.number));
    }
    this.predecessor = [];
    this.last += 1;
    const parcel = {
      id: this.idOf(this.last),
      text: JSON.stringify(item),
      urgent: item.priority === 'urgent',
    };
    const sending = this.outbox.add(this.lane, this.last, parcel);
    this.underWay.add(sending);
    const done = (): void => void this.underWay.delete(sending);
    sending.then(done, done);
    this.shortWay?.pass(item, { ...parcel, logging: sending });
    return sending;
  }

  /** Resolves when everything sent so far is in the log; the turn may not be closed before. */
  async drained(): Promise<void> {
    await Promise.all(this.underWay);
  }

  /** Gives up what is not in the log yet. */
  end(reason: Error): void {
    this.outbox.end(this.lane, reason);
  }

  private idOf(number: number): string {
    return `${this.lane.publisher}/${number}`;
  }
}

/** Fences whoever sent before, and reads what it has said in this turn. */
async function beginAfter({ outbox, state, sent }: PublisherDeps, lane: OutboxLane): Promise<Beginning> {
  await outbox.add(lane, 0, { id: '', text: '', urgent: true });
  const { publisher } = lane;
  const known = await state(publisher);
  const predecessor: SentItem[] = [];
  for (let from = known?.turnFrom ?? 1; ; from += PAGE) {
    const page = await sent({ publisher, from, limit: PAGE });
    predecessor.push(...page);
    if (page.length < PAGE) break;
  }
  return { last: known?.last ?? 0, predecessor };
}

function canonical({ priority = 'normal', content = null, ...rest }: MessageItem): string {
  return stringify({ ...rest, priority, content }) ?? '';
}
