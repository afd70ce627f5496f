import { Context } from '@temporalio/activity';
import type { AgentResult } from '../protocol/agent';
import { AppError } from '../protocol/failures';
import type { Json, JsonObject } from '../protocol/json';
import type { NewRest, Resumption } from '../protocol/rest';
import type { ExecuteAgentInput, PreviousOutput } from '../protocol/run';
import { wordsOf } from '../core/failure-line';
import { textOf } from '../core/text';
import { inAgentScope } from '../agents/agent-scope';
import type { AgentContext, AgentTask, PreviousAgentOutput } from '../agents/base-agent';
import type { LoadedAgent } from '../agents/loader';
import type { Repositories } from '../db/repositories';
import type { ExecuteDeps } from './execute-agent';
import { checkedOutput, parsedOptions } from '../agents/agent-io';
import { turnWrites } from '../agents/context-access';
import { isCancelled, isReadable } from './agent-failure';
import { agentContext } from './agent-context';
import { TurnBus } from './bus/turn-bus';
import { kept } from './kept';
import { TurnRest } from './turn-rest';
import { storedRest, storedTurn } from './stored-turn';
import { wrapEach } from '../llm/fallback';
import { MeteredModel } from './metered-model';
import { ModelCalls } from './model-calls';
import type { TokenWriter } from './token-writer';
import { Watch } from './watch';

/** One opened attempt: what every later write of it is conditional on. */
export interface Attempt {
  readonly agentRunId: string;
  readonly number: number;
  readonly tokenHash: string;
  /** Of a turn that is not the first: where it goes on. */
  readonly resumption?: Resumption | undefined;
}

export interface Turn {
  readonly input: ExecuteAgentInput;
  readonly attempt: Attempt;
  readonly agent: LoadedAgent;
}

/** What a turn came to, with all effects: its agent's result, or the rest that it takes. */
export type TurnEnd = ({ readonly result: AgentResult } | { readonly rest: NewRest }) & {
  /** Messages that count as read once it is stored. */
  readonly read: readonly number[];
};

/** Lets the agent work under heartbeat, time limit and cancellation. */
export async function runTurn(deps: ExecuteDeps, turn: Turn): Promise<TurnEnd> {
  const { input, attempt, agent } = turn;
  using watch = new Watch(input.agent.timeoutMs, Context.current());
  const calls = new ModelCalls(deps, turn);
  const { tenantId, runId } = input;
  const { agentRunId, number } = attempt;
  const tokens = deps.tokens.writer({ tenantId, runId, agentRunId, attempt: number });
  using bus = new TurnBus(deps.buses, turn, watch);
  const metering = { watch, calls, tokens, bus };
  // Each model of a chain by itself: those that failed before another answered were called too.
  const model = wrapEach(deps.model, (one) => new MeteredModel(one, metering));
  const writes = turnWrites(input.contextRules);
  const rests = new TurnRest(turn, watch, bus);
  const context: AgentContext = agentContext(deps, { ...turn, watch, model, writes, bus, rests });
  const work = async (): Promise<Json> => {
    const task = await agentTask(deps, turn);
    const raw = await watch.bound(() => executed(turn, task, context));
    const { joined } = bus;
    // A result counts only with what its agent said on the way, and heard.
    if (joined !== undefined) await watch.bound(() => joined.drained());
    return checkedOutput(agent.manifest, raw);
  };
  let output: Json;
  try {
    output = await finishing({ deps, watch, calls, tokens }, work);
  } catch (error) {
    const wish = watch.rest;
    if (wish === undefined || isCancelled(error)) throw error;
    const rest = await kept(watch, () => storedRest(deps, { input, agentRunId, writes, wish }));
    return { rest, read: bus.joined?.read ?? [] };
  }
  const stored = await kept(watch, () => storedTurn(deps, { input, output, writes }));
  return { result: { agentRunId, ...stored, usage: calls.usage }, read: bus.joined?.read ?? [] };
}

/** Runs the agent's own code. What it throws can be looked at, whatever that is. */
async function executed({ input, attempt, agent }: Turn, task: AgentTask, context: AgentContext) {
  const { runId, tenantId: tenant } = input;
  const scope = { agent: agent.manifest.name, runId, tenant, attempt: attempt.number };
  try {
    return await inAgentScope(scope, async () => new agent.agentClass().execute(task, context));
  } catch (error) {
    throw isReadable(error) ? error : new AppError('AGENT_FAILED', wordsOf(error));
  }
}

interface Unfinished {
  readonly deps: ExecuteDeps;
  readonly watch: Watch;
  readonly calls: ModelCalls;
  readonly tokens: TokenWriter;
}

/** Everything the work has set going is on record before its result is: every model call, and what it streamed. */
async function finishing<T>({ deps, watch, calls, tokens }: Unfinished, work: () => Promise<T>): Promise<T> {
  try {
    const result = await work();
    await calls.finish(watch);
    return result;
  } catch (error) {
    await calls.finish(watch, error).catch((err: unknown) => {
      deps.log.error({ err }, 'model calls of a failed attempt could not be recorded');
    });
    throw error;
  } finally {
    await tokens.flush();
  }
}

async function agentTask(
  { repositories, readPrevious }: ExecuteDeps,
  { input, attempt, agent }: Turn,
): Promise<AgentTask> {
  const { tenantId, runId, address, earlier = 0, item, index } = input;
  const { resumption } = attempt;
  const readable = (output: PreviousOutput) => previousOutput(repositories, { tenantId, attempt, output });
  // The workflow alone knows the order; it is asked only by those who want more than the latest.
  const all = async () => (await readPrevious(runId, address)).slice(0, earlier).map(readable);
  return {
    text: textOf(await repositories.values.load(tenantId, input.task)),
    input: (await repositories.values.load(tenantId, input.runInput)) as JsonObject,
    options: parsedOptions(agent.manifest, input.stepInput),
    previous: input.previous.map(readable),
    ...(earlier > 0 ? { earlier: all } : {}),
    ...(item === undefined ? {} : { item: await repositories.values.load(tenantId, item) }),
    ...(index === undefined ? {} : { index }),
    ...(resumption === undefined
      ? {}
      : { checkpoint: await repositories.values.load(tenantId, resumption.checkpoint) }),
  };
}

interface Previous {
  readonly tenantId: string;
  readonly attempt: Attempt;
  readonly output: PreviousOutput;
}

function previousOutput(
  { agentRuns, values }: Repositories,
  { tenantId, attempt, output: { agent, address, output } }: Previous,
): PreviousAgentOutput {
  return {
    agent,
    address,
    read: async (): Promise<Json> => {
      const value = output ?? (await agentRuns.previousOutput(tenantId, attempt, address));
      if (value === undefined)
        throw new AppError('INTERNAL', `The output of ${agent} (${address}) is not in the database`);
      return values.load(tenantId, value);
    },
  };
}
