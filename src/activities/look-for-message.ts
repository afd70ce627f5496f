import { holds } from '../core/predicate';
import { documentOf } from '../core/bus/wanted';
import type { Json } from '../protocol/json';
import type { Message, MessageWanted } from '../protocol/message';
import { typeProblem } from '../protocol/message-type';
import type { LookForMessageInput, MessageLook } from '../protocol/run';
import type { ActivityDeps } from '.';
import { storeWithFacts } from './stored-values';

/** Looks through the log for what a step waits for. Where it is not there, the step is woken once something comes. */
export function createLookForMessage({ repositories }: ActivityDeps) {
  return async (input: LookForMessageInput): Promise<MessageLook> => {
    const { tenantId, wanted, factsWanted, inlineBytes } = input;
    const judge = async (message: Message): Promise<Message | undefined> => {
      const { ref } = message;
      const content = ref === undefined ? message.content : await repositories.values.load(tenantId, { ref });
      const { ref: _, ...loaded } = { ...message, content: content ?? null };
      return isWanted(wanted, loaded) ? loaded : undefined;
    };
    const message = await repositories.messages.lookFor(input, judge);
    if (message === undefined) return {};
    const json = { ...message } as unknown as Json;
    const { value, facts } = await storeWithFacts(repositories, { tenantId, json, factsWanted, inlineBytes });
    return { found: { seq: message.seq, output: value, facts } };
  };
}

/** A message that its type does not allow was logged and delivered to nobody. */
function isWanted({ where }: MessageWanted, message: Message): boolean {
  if (typeProblem(message.type, message.content) !== undefined) return false;
  return where === undefined || holds(where, documentOf(message));
}
