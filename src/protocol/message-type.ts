import type { z } from 'zod';
import { AppError } from './failures';
import { Json } from './json';
import {
  MESSAGE_TYPES,
  type Message,
  MessageType,
  SUBSCRIBE,
  SubscriptionRequest,
  UNSUBSCRIBE,
} from './message';

/** A kind of message: what it may hold, and what happens when it reaches a member. */
export interface MessageTypeDefinition {
  readonly name: string;
  /** Checked where the message is sent and again where it is routed. References are checked once they are read. */
  readonly content: z.ZodType;
  /**
   * Called in the receiving member's process before the message is handed to it. Answers what the member is to receive,
   * or undefined where nothing is left for it: then the message counts as read.
   */
  readonly handle?: (message: Message) => Promise<Message | undefined> | Message | undefined;
}

const types = new Map<string, MessageTypeDefinition>();

/**
 * Registers a type in this process; plugins do so when they are loaded, in every worker. Registering the same definition
 * again changes nothing. Throws INPUT_INVALID for a name that is malformed or taken.
 */
export function registerMessageType(definition: MessageTypeDefinition): void {
  const { name } = definition;
  if (!MessageType.safeParse(name).success)
    throw new AppError('INPUT_INVALID', `"${name.slice(0, 80)}" is no name of a message type`);
  const known = types.get(name);
  if (known !== undefined && known !== definition)
    throw new AppError('INPUT_INVALID', `Message type "${name}" is registered already`);
  types.set(name, definition);
}

export function messageType(name: string): MessageTypeDefinition | undefined {
  return types.get(name);
}

/** What is wrong with a message's type or content; undefined where nothing is. */
export function typeProblem(
  type: string,
  content: Json | undefined,
): { readonly reason: 'unknown-type' | 'invalid'; readonly detail: string } | undefined {
  const known = types.get(type);
  if (known === undefined)
    return { reason: 'unknown-type', detail: `No message type "${type}" is registered` };
  // Any JSON is JSON already, and the check of the built-in types would be the dearest part of routing.
  if (content === undefined || known.content === Json) return undefined;
  const issue = known.content.safeParse(content).error?.issues[0];
  if (issue === undefined) return undefined;
  const path = issue.path.map((part) => `/${String(part)}`).join('');
  return { reason: 'invalid', detail: `content${path} of a ${type}: ${issue.message}`.slice(0, 300) };
}

for (const name of MESSAGE_TYPES) registerMessageType({ name, content: Json });
for (const name of [SUBSCRIBE, UNSUBSCRIBE]) registerMessageType({ name, content: SubscriptionRequest });
