import type { Pool } from 'pg';
import type { BusSettings, Message } from '../../protocol/message';
import { parseStored } from '../answers';
import { ConsumeAnswer } from '../answers-messages';
import {
  configureBus,
  countMessages,
  type DeadLetterPage,
  purgeDeadLetters,
  readDeadLetters,
  receiptsOf,
  redrive,
  type Redrive,
} from '../messages/operate';
import {
  countMembers,
  type HistoryPage,
  type MailboxKey,
  readHistory,
  readMailbox,
  readPublishers,
  readSent,
  readSettings,
  type SentPage,
} from '../messages/read';
import { type BusChange, type BusOpening, type OpenBus, routeInBus } from '../messages/route';
import { type Judge, lookIntoMailbox, readSleepers, type Sleeping } from '../messages/sleep';
import { type Looking, lookForMessage } from '../messages/wait';
import { callQuietly } from '../tenant-door';
import { MESSAGES_CHANNEL, wakeReaders } from '../wake';

/** What was read, and by whom. With the attempt's token it counts only while the attempt holds its agent run. */
export interface Consumption {
  readonly runId: string;
  readonly member: string;
  readonly seqs: readonly number[];
  readonly attempt?: {
    readonly agentRunId: string;
    readonly attempt: number;
    readonly tokenHash: string;
  };
}

/** `count`: how many of them were still unread. `fenced`: the attempt lost its agent run; nothing was written. */
export type ConsumeOutcome =
  | { readonly outcome: 'consumed'; readonly count: number }
  | { readonly outcome: 'fenced' };

/** The log of messages, mailboxes and dead letters. */
export function createMessages(pool: Pool) {
  return {
    /** One transaction under the lock of the run's bus. Throws RUN_UNKNOWN. */
    route: (tenantId: string, opening: BusOpening, decide: (bus: OpenBus) => Promise<BusChange>) =>
      routeInBus(pool, { tenantId, opening }, decide),

    /** Marks messages as read, once. */
    consume: (tenantId: string, consumption: Consumption) => consume(pool, tenantId, consumption),

    /** The message that a step waits for; registers the step where there is none. Throws RUN_UNKNOWN. */
    lookFor: (looking: Looking, judge: (message: Message) => Promise<Message | undefined>) =>
      lookForMessage(pool, looking, judge),

    /** Whether an agent that sleeps may wake; registers it where it may not. Throws RUN_UNKNOWN. */
    lookInto: (sleeping: Sleeping, judge: Judge) => lookIntoMailbox(pool, sleeping, judge),

    /** Addresses of the agents that sleep until a message comes. */
    sleepers: (tenantId: string, runId: string) => readSleepers(pool, { tenantId, runId }),

    mailbox: (key: MailboxKey, cursor: number) => readMailbox(pool, key, cursor),
    settings: (tenantId: string, runId: string) => readSettings(pool, tenantId, runId),
    members: (tenantId: string, runId: string) => countMembers(pool, tenantId, runId),
    publishers: (tenantId: string, runId: string, names: readonly string[]) =>
      readPublishers(pool, { tenantId, runId }, names),
    sent: (tenantId: string, page: SentPage) => readSent(pool, tenantId, page),
    history: (tenantId: string, runId: string, page: HistoryPage) =>
      readHistory(pool, { tenantId, runId }, page),

    counts: (tenantId: string, runId: string) => countMessages(pool, { tenantId, runId }),
    receipts: (tenantId: string, runId: string, seq: number) => receiptsOf(pool, { tenantId, runId }, seq),
    deadLetters: (tenantId: string, runId: string, page: DeadLetterPage) =>
      readDeadLetters(pool, { tenantId, runId }, page),
    purge: (tenantId: string, runId: string, nos?: readonly number[]) =>
      purgeDeadLetters(pool, { tenantId, runId }, nos),
    redrive: (tenantId: string, runId: string, letters: Redrive) =>
      redrive(pool, { tenantId, runId }, letters),
    configure: (tenantId: string, runId: string, settings: BusSettings) =>
      configureBus(pool, { tenantId, runId }, settings),
  };
}

async function consume(
  pool: Pool,
  tenantId: string,
  { attempt, ...rest }: Consumption,
): Promise<ConsumeOutcome> {
  const body = { ...rest, ...attempt };
  const answer = parseStored(ConsumeAnswer, await callQuietly(pool, 'consume_messages', { tenantId, body }));
  if (answer.outcome === 'fenced') return answer;
  if (answer.freed) wakeReaders(pool, MESSAGES_CHANNEL, `${tenantId}:${rest.runId}`);
  return { outcome: 'consumed', count: answer.count };
}
