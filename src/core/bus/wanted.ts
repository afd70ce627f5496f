import type { Json } from '../../protocol/json';
import type { Message, MessageWanted } from '../../protocol/message';
import type { Predicate } from '../../protocol/predicate';
import { holds } from '../predicate';
import type { Logged, Routed } from './route';

type Seen = Pick<
  Message,
  'from' | 'to' | 'type' | 'topic' | 'priority' | 'correlationId' | 'content' | 'ref'
>;

/** A message as filters see it; a body that was not loaded is null. */
export function documentOf({ from, to, type, topic, priority, correlationId, content = null }: Seen): Json {
  return {
    from,
    type,
    priority,
    content,
    ...(to === undefined ? {} : { to }),
    ...(topic === undefined ? {} : { topic }),
    ...(correlationId === undefined ? {} : { correlationId }),
  };
}

/** Whether a message may be what is waited for: what is asked of a body behind a reference, only the body tells. */
export function maybeWanted({ from, type, where }: MessageWanted, message: Seen): boolean {
  // What members tell the bus itself.
  if (message.type.startsWith('bus.')) return false;
  if (from !== undefined && message.from !== from) return false;
  if (type !== undefined && message.type !== type) return false;
  if (where === undefined || (message.ref !== undefined && message.content === undefined)) return true;
  return holds(where, documentOf(message));
}

/** The only members that a filter lets through, where it says so. */
export function sendersIn(filter: Predicate | undefined): readonly string[] | undefined {
  if (filter?.op === 'and') {
    for (const part of filter.of) {
      const senders = sendersIn(part);
      if (senders !== undefined) return senders;
    }
    return undefined;
  }
  if (filter?.op === 'eq' && filter.pointer === '/from') return [String(filter.value)];
  if (filter?.op === 'in' && filter.pointer === '/from') return filter.values.map(String);
  return undefined;
}

/** A step that waits for a message, or an agent that sleeps until it gets one; and the first that may be it. */
export interface MessageWait {
  readonly address: string;
  readonly wanted: MessageWanted;
  /** Of an agent: only what is delivered to it counts. */
  readonly member?: string | undefined;
  readonly found?: number | undefined;
}

/** Which of those that wait have something to look at, and since which message. */
export function foundAmong(
  waits: readonly MessageWait[],
  { logged, mailboxes }: Pick<Routed, 'logged' | 'mailboxes'>,
): readonly Found[] {
  return waits.flatMap(({ address, wanted, member, found }) => {
    const delivered = member && new Set(mailboxes.get(member)?.delivered.map(({ seq }) => seq));
    const isItsOwn = ({ seq }: Logged): boolean => !delivered || delivered.has(seq);
    const seq = found ?? logged.find((one) => isItsOwn(one) && maybeWanted(wanted, seen(one)))?.seq;
    return seq === undefined ? [] : [{ address, seq, isNew: found === undefined }];
  });
}

export interface Found {
  readonly address: string;
  readonly seq: number;
  /** Nobody has written it down yet. */
  readonly isNew: boolean;
}

function seen({ from, item: { to, type, topic, priority = 'normal', correlationId, content, ref } }: Logged) {
  return { from, to, type, topic, priority, correlationId, content, ref } as Seen;
}
