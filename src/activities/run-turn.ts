import { Context } from '@temporalio/activity';
import type { AgentResult } from '../protocol/agent';
import { AppError } from '../protocol/failures';
import type { Json, JsonObject } from '../protocol/json';
import type { ExecuteAgentInput } from '../protocol/run';
import { textOf } from '../core/text';
import type { AgentContext, AgentTask } from '../agents/base-agent';
import type { LoadedAgent } from '../agents/loader';
import type { ExecuteDeps } from './execute-agent';
import { checkedOutput, parsedOptions } from '../agents/agent-io';
import { agentContext, type ContextWrites } from './agent-context';
import { MeteredModel } from './metered-model';
import { Watch } from './watch';

/** One opened attempt: what every later write of it is conditional on. */
export interface Attempt {
  readonly agentRunId: string;
  readonly number: number;
  readonly tokenHash: string;
}

export interface Turn {
  readonly input: ExecuteAgentInput;
  readonly attempt: Attempt;
  readonly agent: LoadedAgent;
}

/** Lets the agent work under heartbeat, time limit and cancellation; returns its result with all effects. */
export async function runTurn(deps: ExecuteDeps, turn: Turn): Promise<AgentResult> {
  const { input, attempt, agent } = turn;
  using watch = new Watch(input.agent.timeoutMs, Context.current());
  const model = new MeteredModel(deps.model, watch.signal);
  const writes: ContextWrites = new Map();
  const context: AgentContext = agentContext(deps, { ...turn, watch, model, writes });
  const task = await agentTask(deps, turn);
  const raw = await watch.bound(async () => new agent.agentClass().execute(task, context));
  const output = checkedOutput(agent.manifest, raw);
  return {
    agentRunId: attempt.agentRunId,
    output: await deps.repositories.values.store(input.tenantId, output),
    effects: { context: await stored(deps, input.tenantId, writes) },
    usage: model.usage,
  };
}

async function agentTask({ repositories }: ExecuteDeps, { input, agent }: Turn): Promise<AgentTask> {
  const { tenantId, runId } = input;
  return {
    text: textOf(await repositories.values.load(tenantId, input.task)),
    input: (await repositories.values.load(tenantId, input.runInput)) as JsonObject,
    options: parsedOptions(agent.manifest, input.stepInput),
    previous: input.previous.map(({ agent: name, address, output }) => ({
      agent: name,
      address,
      read: async (): Promise<Json> => {
        const value = output ?? (await repositories.agentRuns.outputOf(tenantId, runId, address));
        if (value === undefined)
          throw new AppError('INTERNAL', `The output of ${name} (${address}) is not in the database`);
        return repositories.values.load(tenantId, value);
      },
    })),
  };
}

async function stored({ repositories }: ExecuteDeps, tenantId: string, writes: ContextWrites) {
  return Promise.all(
    [...writes].map(async ([key, value]) => ({
      op: 'set' as const,
      key,
      value: await repositories.values.store(tenantId, value),
    })),
  );
}
