import { AppError } from '../protocol/failures';
import type { Json } from '../protocol/json';
import { LIMITS } from '../protocol/limits';
import { contextKeyProblem } from '../core/context';
import type { AgentContext } from '../agents/base-agent';
import type { ModelProvider } from '../llm/port';
import { AgentJournal } from './agent-journal';
import type { ExecuteDeps } from './execute-agent';
import type { Turn } from './run-turn';
import { toolLedger } from './tool-ledger';
import type { Watch } from './watch';

/** What the agent set in this turn; an effect of its completion. */
export type ContextWrites = Map<string, Json>;

interface Wiring extends Turn {
  readonly watch: Watch;
  readonly model: ModelProvider;
  readonly writes: ContextWrites;
}

/** Everything the agent may touch, bound to its own run and tenant. */
export function agentContext(deps: ExecuteDeps, wiring: Wiring): AgentContext {
  const { input, attempt, watch, model, writes } = wiring;
  const { tenantId, runId, agent } = input;
  const log = deps.log.child({ runId, agent: agent.name, tenant: tenantId, attempt: attempt.number });
  const journal = new AgentJournal(deps.repositories, wiring);
  const tool = toolLedger(deps, wiring, watch);
  return {
    runId,
    agentRunId: attempt.agentRunId,
    attempt: attempt.number,
    get signal() {
      return watch.signal;
    },
    model,
    log: {
      info: (message, fields) => log.info(fields ?? {}, message),
      warn: (message, fields) => log.warn(fields ?? {}, message),
    },
    context: {
      get: async (key) => {
        watch.assertOpen();
        const own = writes.get(key);
        if (own !== undefined) return own;
        const value = await deps.readContext(runId, key);
        return value === undefined ? undefined : deps.repositories.values.load(tenantId, value);
      },
      set: (key, value) => {
        watch.assertOpen();
        const problem = contextKeyProblem(key);
        if (problem !== undefined) throw new AppError('INPUT_INVALID', problem);
        if (writes.size >= LIMITS.contextKeys && !writes.has(key))
          throw new AppError('INPUT_TOO_LARGE', `One turn may set ${LIMITS.contextKeys} context keys`);
        writes.set(key, value);
      },
    },
    blobs: {
      read: async (ref) => {
        watch.assertOpen();
        return deps.repositories.blobs.get(tenantId, ref);
      },
    },
    host: deps.host,
    journal: {
      read: async () => {
        watch.assertOpen();
        return journal.read();
      },
      append: async (entry) => {
        watch.assertOpen();
        return journal.append(entry);
      },
    },
    tool: async (use, work) => {
      watch.assertOpen();
      return tool(use, work);
    },
    heartbeat: (note) => watch.heartbeat(note),
  };
}
