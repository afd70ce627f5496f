import { textOf } from '../../../src/core/text';
import { createRouteMessages } from '../../../src/activities/route-messages';
import { sign } from '../../../src/activities/bus/signature';
import type { Repositories } from '../../../src/db/repositories';
import type { MessageBatch } from '../../../src/protocol/message';
import { LOCAL_TENANT_ID } from '../../../src/protocol/run';
import { createLogger } from '../../../src/telemetry/log';
import { aRun } from '../../db/support/samples';

export const TENANT = LOCAL_TENANT_ID;

/** A run whose members may talk, and the router before its bus. */
export interface Conversation {
  readonly runId: string;
  /** Routes as the bus's workflow does: each argument is what one signal brought. */
  readonly route: (...batches: readonly unknown[]) => Promise<{ readonly closed: boolean }>;
  /** The log, each message as `sender: content`. */
  readonly log: () => Promise<readonly string[]>;
  /** What waits for a member, in the order in which it is read. */
  readonly mailbox: (member: string) => Promise<readonly unknown[]>;
  readonly reasons: () => Promise<readonly string[]>;
}

export async function aConversation(
  repositories: Repositories,
  members: readonly string[] = ['alpha', 'beta', 'gamma'],
): Promise<Conversation> {
  const agents = members.map((name) => ({
    name,
    version: '1.0.0',
    agentType: 'custom',
    capabilities: [`as-${name}`, 'talk'],
    timeoutMs: 1_000,
  }));
  const { runId } = await repositories.runs.create(TENANT, aRun({ agents }));
  const routeMessages = createRouteMessages({
    repositories,
    log: createLogger({ level: 'silent', format: 'json' }),
  });
  const { messages } = repositories;
  return {
    runId,
    route: (...batches) => routeMessages({ tenantId: TENANT, runId }, ...batches),
    log: async () => {
      const page = await messages.history(TENANT, runId, { after: 0, limit: 10_000 });
      expect(page.map(({ seq }) => seq)).toEqual(page.map((_, index) => index + 1));
      return page.map(({ from, content }) => `${from}: ${textOf(content ?? null)}`);
    },
    mailbox: async (member) => {
      const page = await messages.mailbox({ tenantId: TENANT, runId, member }, 0);
      return page.messages.map(({ content }) => content);
    },
    reasons: async () => {
      const letters = await messages.deadLetters(TENANT, runId, { after: 0, limit: 1_000 });
      expect(letters.map(({ no }) => no)).toEqual(letters.map((_, index) => index + 1));
      return letters.map(({ reason }) => reason);
    },
  };
}

type Item = MessageBatch['items'][number];

/** A message to a member, or wherever `rest` says. */
export function note(content: Item['content'], rest: Partial<Item> = { to: 'beta' }): Item {
  return { type: 'inform', content, ...rest };
}

/** A batch of a client. */
export function aBatch(items: readonly Item[], rest: Partial<MessageBatch> = {}): MessageBatch {
  return { publisher: 'client:test', from: 1, items: [...items], ...rest };
}

/** A batch as an attempt signs it. */
export function signedBatch(tokenHash: string, batch: MessageBatch): MessageBatch {
  const { publisher, turn = 1, attempt = 1, from, items } = batch;
  const texts = items.map((item) => JSON.stringify(item));
  return { ...batch, mac: sign(tokenHash, { publisher, turn, attempt, from }, texts) };
}
