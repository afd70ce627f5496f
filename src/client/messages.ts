import type { Client } from '@temporalio/client';
import { uuidv7 } from 'uuidv7';
import { WAKE_SIGNAL } from '../core/bus/names';
import { workflowIdOf } from '../core/ids';
import { AppError } from '../protocol/failures';
import { firstIssue, type Issue } from '../protocol/first-issue';
import type { Json } from '../protocol/json';
import { LIMITS } from '../protocol/limits';
import {
  BusSettings,
  ClientPublisher,
  type DeadLetter,
  type HistoryOptions,
  type Message,
  type MessageCounts,
  MessageItem,
  type Receipt,
} from '../protocol/message';
import { typeProblem } from '../protocol/message-type';
import type { Repositories } from '../db/repositories';
import type { OwnedBuses } from '../runtime/buses';
import { findRun } from './find-run';

/** A message from outside of the run: exactly one of to, topic, broadcast, where, capability. */
export interface OutsideMessage extends Omit<MessageItem, 'content' | 'type'> {
  readonly content: Json;
  /** `inform` unless said otherwise. */
  readonly type?: string;
  /** The name after `client:` under which members see the sender; `client` unless said otherwise. */
  readonly from?: string;
  /** The same key says the same message: it is in the log once, however often it is sent. */
  readonly key?: string;
}

/** What can be said and seen of a run's messages from outside. Every failure is an AppError; all throw RUN_UNKNOWN. */
export interface MessageClient {
  /** Answers the message's id once it is in the log. Throws INPUT_INVALID, and BUS_CLOSED after the run's end. */
  send(runId: string, message: OutsideMessage): Promise<{ readonly id: string }>;
  /** The log in the run's one order, from a cursor on. */
  history(runId: string, options?: HistoryOptions): Promise<readonly Message[]>;
  counts(runId: string): Promise<MessageCounts>;
  /** What became of a message, by its number in the run's order. */
  receipts(runId: string, seq: number): Promise<readonly Receipt[]>;
  deadLetters(
    runId: string,
    page?: { readonly after?: number; readonly limit?: number },
  ): Promise<readonly DeadLetter[]>;
  /** Delivers dead letters once more, to whom they were for or to `to`; answers how many could be. */
  redrive(runId: string, nos: readonly number[], to?: string): Promise<number>;
  /** Removes dead letters; all of them where none is named. */
  purge(runId: string, nos?: readonly number[]): Promise<number>;
  /** Sets the bounds of the run's mailboxes and of its log, from here on. */
  configure(runId: string, settings: BusSettings): Promise<void>;
}

interface MessagesOptions {
  readonly repositories: Repositories;
  readonly buses: OwnedBuses['buses'];
  readonly temporal: Client;
  readonly tenantId: string;
}

const PAGE = 100;
const PAGE_MOST = 1_000;
const NUMBERS_MOST = 10_000;

export function createMessageClient(options: MessagesOptions): MessageClient {
  const { repositories, tenantId } = options;
  const { messages } = repositories;
  const known = async (runId: string): Promise<string> => (await findRun(options, runId)).id;
  return {
    send: (runId, message) => send(options, runId, message),
    history: async (runId, { after = 0, limit = PAGE, ...only } = {}) =>
      messages.history(tenantId, await known(runId), { ...page({ after, limit }), ...only }),
    counts: async (runId) => messages.counts(tenantId, await known(runId)),
    receipts: async (runId, seq) => messages.receipts(tenantId, await known(runId), number(seq, 'seq')),
    deadLetters: async (runId, { after = 0, limit = PAGE } = {}) =>
      messages.deadLetters(tenantId, await known(runId), page({ after, limit })),
    redrive: async (runId, nos, to) => redrive(options, await known(runId), { nos: numbers(nos), to }),
    purge: async (runId, nos) => messages.purge(tenantId, await known(runId), nos && numbers(nos)),
    configure: async (runId, settings) => {
      const parsed = BusSettings.safeParse(settings);
      if (!parsed.success) throw invalid('settings', parsed.error.issues);
      await messages.configure(tenantId, await known(runId), parsed.data);
    },
  };
}

async function send(
  { repositories, buses, tenantId }: MessagesOptions,
  runId: string,
  { from = 'client', key = uuidv7(), content, type = 'inform', ...rest }: OutsideMessage,
): Promise<{ readonly id: string }> {
  const run = await findRun({ repositories, tenantId }, runId);
  if (run.endedAt !== null)
    throw new AppError('BUS_CLOSED', `Run ${runId} is ${run.status}; it takes no messages`);
  const item = { ...rest, type, content };
  const parsed = MessageItem.safeParse(item);
  if (!parsed.success) throw invalid('message', parsed.error.issues);
  const problem = typeProblem(type, content);
  if (problem !== undefined) throw new AppError('INPUT_INVALID', problem.detail);
  const publisher = `client:${from}/${key}`;
  if (!ClientPublisher.safeParse(publisher).success)
    throw new AppError('INPUT_INVALID', 'from and key must be letters, digits, dots and dashes');
  using sender = await buses.outsider({ tenantId, runId: run.id, publisher });
  const value = await repositories.values.store(tenantId, content, LIMITS.messageInlineBytes);
  const { content: _, ...without } = item;
  return { id: await sender.send('ref' in value ? { ...without, ref: value.ref } : item) };
}

async function redrive(
  { repositories: { messages }, temporal, tenantId }: MessagesOptions,
  runId: string,
  letters: Parameters<Repositories['messages']['redrive']>[2],
): Promise<number> {
  const count = await messages.redrive(tenantId, runId, letters);
  const addresses = await messages.sleepers(tenantId, runId);
  // No router has seen it: whoever sleeps is told to look.
  if (addresses.length > 0)
    await temporal.workflow
      .getHandle(workflowIdOf(runId))
      .signal(WAKE_SIGNAL, ...addresses)
      // It is over, or looks for itself.
      .catch(() => undefined);
  return count;
}

function page({ after, limit }: { readonly after: number; readonly limit: number }) {
  return { after: number(after, 'after'), limit: Math.min(PAGE_MOST, Math.max(1, number(limit, 'limit'))) };
}

function numbers(nos: readonly number[]): readonly number[] {
  if (nos.length > NUMBERS_MOST)
    throw new AppError('INPUT_TOO_LARGE', `At most ${NUMBERS_MOST} dead letters at once`);
  return nos.map((no) => number(no, 'no'));
}

function number(value: number, name: string): number {
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw new AppError('INPUT_INVALID', `${name} must be a whole number from 0`);
}

function invalid(what: string, issues: readonly Issue[]): AppError {
  return new AppError('INPUT_INVALID', `${what} not valid${firstIssue(issues)}`);
}
