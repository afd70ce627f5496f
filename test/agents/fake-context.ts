import type { AgentContext, AgentTask } from '../../src/agents/base-agent';
import type { ModelProvider } from '../../src/llm/port';
import { offlineProvider } from '../../src/llm/providers/offline';
import type { Json } from '../../src/protocol/json';

/** The context of an agent under test, with the offline provider unless another is given. */
export function fakeContext(
  given: { model?: ModelProvider; context?: Record<string, Json>; signal?: AbortSignal } = {},
): {
  context: AgentContext;
  beats: string[];
  lines: string[];
} {
  const beats: string[] = [];
  const lines: string[] = [];
  const values = new Map(Object.entries(given.context ?? {}));
  const context: AgentContext = {
    runId: 'run',
    agentRunId: 'agent-run',
    attempt: 1,
    signal: given.signal ?? new AbortController().signal,
    model: given.model ?? offlineProvider(),
    log: { info: (line) => lines.push(line), warn: (line) => lines.push(line) },
    context: {
      get: (key) => Promise.resolve(values.get(key)),
      set: (key, value) => void values.set(key, value),
    },
    blobs: { read: () => Promise.reject(new Error('there are no blobs here')) },
    tool: (_name, work) => work(new AbortController().signal),
    heartbeat: (note = '') => beats.push(note),
  };
  return { context, beats, lines };
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
