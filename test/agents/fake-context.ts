import type { AgentContext, AgentTask } from '../../src/agents/base-agent';
import { memoryContext, type MemoryContextOptions } from '../../src/agents/testing/memory-context';
import { offlineProvider } from '../../src/llm/providers/offline';
import type { Json } from '../../src/protocol/json';

/** The context of an agent under test, with the offline provider unless another is given. */
export function fakeContext(given: Partial<MemoryContextOptions> = {}): {
  context: AgentContext;
  beats: readonly string[];
} {
  const { context, record } = memoryContext({ model: offlineProvider(), ...given });
  return { context, beats: record.heartbeats };
}

/** A task as the worker would hand it over. */
export function aTask(
  given: Partial<Omit<AgentTask, 'previous'>> & { previous?: Record<string, Json> } = {},
): AgentTask {
  const previous = Object.entries(given.previous ?? {}).map(([address, output]) => ({
    agent: address,
    address,
    read: () => Promise.resolve(output),
  }));
  return { text: 'Do something useful.', input: null, options: {}, ...given, previous };
}

/** A text with things worth saying and things that are not. */
export const MINUTES = `The council met on Tuesday to discuss the new bridge over the river Aare.
The bridge will cost 4.2 million francs and open in May 2027. Coffee was served at ten.
Two members fear that the bridge brings more traffic to the old town. The mayor thanked everybody.
The council approved the bridge with eleven votes against three.`;
