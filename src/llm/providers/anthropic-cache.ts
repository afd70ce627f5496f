import type { ContentBlockParam, TextBlockParam, Tool } from '@anthropic-ai/sdk/resources/messages/messages';

/** A message whose content is a list of blocks. */
export interface BlockMessage {
  readonly role: 'user' | 'assistant';
  readonly content: ContentBlockParam[];
}

// Four breakpoints are allowed: the tools, the system text, and two in the conversation. Prefixes too short to be cached cost nothing.
const EPHEMERAL = { cache_control: { type: 'ephemeral' } } as const;
const CACHED_TURNS = 2;

/** The system text as a block that ends a cached prefix. */
export function cachedSystem(text: string): TextBlockParam[] {
  return [{ type: 'text', text, ...EPHEMERAL }];
}

/** The tools, the last of which ends a cached prefix. */
export function cachedTools(tools: readonly Tool[]): Tool[] {
  return tools.map((tool, index) => (index === tools.length - 1 ? { ...tool, ...EPHEMERAL } : tool));
}

/**
 * A conversation that goes on. The last turn of ours is written to the cache for the next call; the one before is where
 * the last call wrote it, and is marked since the provider looks back over a few blocks only.
 */
export function cachedMessages(messages: readonly BlockMessage[]): BlockMessage[] {
  const ours = messages.flatMap(({ role }, index) => (role === 'user' ? [index] : []));
  const marked = ours.slice(-CACHED_TURNS);
  return messages.map((message, index) => (marked.includes(index) ? endingCached(message) : message));
}

function endingCached({ role, content }: BlockMessage): BlockMessage {
  const last = content.at(-1);
  // What a turn of ours holds are texts and results of tools; both take the mark.
  if (last?.type !== 'text' && last?.type !== 'tool_result') return { role, content };
  return { role, content: [...content.slice(0, -1), { ...last, ...EPHEMERAL }] };
}
