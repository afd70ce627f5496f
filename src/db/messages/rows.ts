import type { agentMessages, deadLetters } from '../schema/messages';
import type { DeadLetter, Message } from '../../protocol/message';

/** A message's row with the publisher that its lane stands for. */
export interface MessageRow extends Omit<typeof agentMessages.$inferSelect, 'tenantId'> {
  readonly publisher: string;
}

export function toMessage(row: MessageRow): Message {
  return {
    id: `${row.publisher}/${row.number}`,
    runId: row.runId,
    seq: row.seq,
    from: row.fromAgent,
    type: row.type,
    priority: row.priority,
    ...given('to', row.toAgent),
    ...given('topic', row.topic),
    ...(row.broadcast === true ? { broadcast: true } : {}),
    ...given('where', row.condition),
    ...given('capability', row.capability),
    ...given('correlationId', row.correlationId),
    ...given('replyTo', row.replyTo),
    ...(row.contentRef === null ? { content: row.content } : { ref: row.contentRef }),
    ...given('expiresAt', row.expiresAt?.toISOString() ?? null),
    createdAt: row.createdAt.toISOString(),
  };
}

export function toDeadLetter(row: typeof deadLetters.$inferSelect): DeadLetter {
  return {
    no: row.no,
    reason: row.reason,
    detail: row.detail,
    ...given('seq', row.seq),
    ...given('member', row.member),
    ...given('publisher', row.publisher),
    ...given('content', row.content),
    createdAt: row.createdAt.toISOString(),
    ...given('redrivenAt', row.redrivenAt?.toISOString() ?? null),
  };
}

function given<K extends string, T>(key: K, value: T | null): { readonly [P in K]?: T } {
  return value === null ? {} : ({ [key]: value } as { readonly [P in K]?: T });
}
