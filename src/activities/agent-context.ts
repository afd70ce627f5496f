import type { AgentContext } from '../agents/base-agent';
import { contextAccess, type TurnWrites } from '../agents/context-access';
import type { Rests } from '../agents/long-wait';
import type { ModelProvider } from '../llm/port';
import type { Logger } from '../telemetry/log';
import { AgentJournal } from './agent-journal';
import type { TurnBus } from './bus/turn-bus';
import type { ExecuteDeps } from './execute-agent';
import type { Turn } from './run-turn';
import { toolLedger } from './tool-ledger';
import { TurnContext } from './turn-context';
import type { Watch } from './watch';

interface Wiring extends Turn {
  readonly watch: Watch;
  readonly model: ModelProvider;
  /** Effects of the turn's completion. */
  readonly writes: TurnWrites;
  readonly bus: TurnBus;
  readonly rests: Rests;
}

/** Everything the agent may touch, bound to its own run and tenant. */
export function agentContext(deps: ExecuteDeps, wiring: Wiring): AgentContext {
  const { input, attempt, watch, model, writes, bus, rests } = wiring;
  const { tenantId, runId, agent } = input;
  let named: Logger | undefined;
  const log = (): Logger =>
    (named ??= deps.log.child({ runId, agent: agent.name, tenant: tenantId, attempt: attempt.number }));
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
      info: (message, fields) => log().info(fields ?? {}, message),
      warn: (message, fields) => log().warn(fields ?? {}, message),
    },
    context: contextAccess(new TurnContext(deps, wiring), writes),
    blobs: {
      read: async (ref) => {
        watch.assertOpen();
        return deps.repositories.blobs.get(tenantId, ref);
      },
    },
    get bus() {
      return bus.join(rests);
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
      const held = bus.held();
      if (held !== undefined) await held;
      return tool(use, work);
    },
    heartbeat: (note) => watch.heartbeat(note),
  };
}
