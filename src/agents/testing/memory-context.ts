import { createHash } from 'node:crypto';
import { AppError } from '../../protocol/failures';
import type { Json } from '../../protocol/json';
import type { ModelProvider } from '../../llm/port';
import type { AgentContext, ToolHost } from '../base-agent';
import type { ContextRules } from '../../protocol/context';
import { type LedgerRow, MemoryLedger, type RecordedToolCall, type ScriptedTool } from './memory-ledger';
import { asStored, memorySharedContext } from './memory-shared-context';

/** What of an agent run outlives its attempts: give one state to two tests of an agent, and the second is the retry of the first. */
export interface AgentState {
  attempts: number;
  readonly journal: Json[];
  readonly ledger: Map<string, LedgerRow>;
}

export function agentState(): AgentState {
  return { attempts: 0, journal: [], ledger: new Map() };
}

export interface LoggedLine {
  readonly level: 'info' | 'warn';
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** What an agent did to its context. */
export interface ContextRecord {
  /** What it set, merged and added to that its turn takes with it, by key: what the key held for it in the end. */
  readonly writes: ReadonlyMap<string, Json>;
  readonly toolCalls: readonly RecordedToolCall[];
  readonly logs: readonly LoggedLine[];
  readonly heartbeats: readonly string[];
}

export interface MemoryContextOptions {
  readonly model: ModelProvider;
  /** Keys of the shared context that are set already. */
  readonly context?: Readonly<Record<string, Json>>;
  /** What the plan says of keys of the shared context. */
  readonly contextRules?: ContextRules;
  /** Tools, by name, that do as scripted instead of their work. */
  readonly tools?: Readonly<Record<string, ScriptedTool>>;
  readonly host?: ToolHost;
  /** What `context.blobs` can read. */
  readonly blobs?: readonly Uint8Array[];
  readonly signal?: AbortSignal;
  readonly state?: AgentState;
}

/** An agent's context in memory, under the rules of the real one. */
export function memoryContext(given: MemoryContextOptions): {
  readonly context: AgentContext;
  readonly record: ContextRecord;
} {
  const { model, host = {}, signal = new AbortController().signal, state = agentState() } = given;
  state.attempts += 1;
  const attempt = state.attempts;
  const ids = { runId: 'run', agentRunId: 'agent-run' };
  const logs: LoggedLine[] = [];
  const heartbeats: string[] = [];
  const { context: before = {}, contextRules: rules = {} } = given;
  const shared = memorySharedContext({ before, rules, signal });
  const ledger = new MemoryLedger(state.ledger, given.tools ?? {});
  const blobs = new Map((given.blobs ?? []).map((bytes) => [hashOf(bytes), bytes]));
  const log = (level: LoggedLine['level']) => (message: string, fields?: Record<string, unknown>) =>
    void logs.push({ level, message, fields: fields ?? {} });
  const context: AgentContext = {
    ...ids,
    attempt,
    signal,
    model,
    host,
    log: { info: log('info'), warn: log('warn') },
    context: shared.access,
    blobs: {
      read: async ({ blob }) => {
        const bytes = blobs.get(blob);
        if (bytes === undefined) throw new AppError('INPUT_UNREADABLE', `There is no stored value ${blob}`);
        return bytes;
      },
    },
    journal: {
      read: async () => [...state.journal],
      append: async (entry) => void state.journal.push(asStored(entry)),
    },
    tool: (use, work) => ledger.call({ ...ids, attempt, signal }, use, work),
    heartbeat: (note = '') => void heartbeats.push(note),
  };
  const record = {
    get writes() {
      return shared.written();
    },
    toolCalls: ledger.calls,
    logs,
    heartbeats,
  };
  return { context, record };
}

function hashOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
