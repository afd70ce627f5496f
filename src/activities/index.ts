import type { Client } from '@temporalio/client';
import type { ToolHost } from '../agents/base-agent';
import type { LoadedAgent } from '../agents/loader';
import type { Repositories } from '../db/repositories';
import type { ModelProvider } from '../llm/port';
import type { FinishRunInput, SettleAgentInput } from '../protocol/run';
import type { Logger } from '../telemetry/log';
import { createContextReader } from './context-reader';
import { createExecuteAgent } from './execute-agent';
import type { PriceOf } from './model-calls';
import { createFinishRun, createSettleAgent } from './settle';
import { TokenBatcher } from './token-batcher';

/** What the activities are built over. */
export interface ActivityDeps {
  readonly repositories: Repositories;
  readonly agents: ReadonlyMap<string, LoadedAgent>;
  readonly model: ModelProvider;
  readonly priceOf: PriceOf;
  /** Asks run workflows for their shared context. */
  readonly client: Client;
  readonly log: Logger;
  /** What this worker opens to tools. */
  readonly host: ToolHost;
}

/** Every activity of the worker; workflows know them by this type alone. */
export const createActivities = (deps: ActivityDeps) => ({
  executeAgent: createExecuteAgent({
    ...deps,
    readContext: createContextReader(deps.client),
    tokens: new TokenBatcher(deps),
  }),
  settleAgent: (input: SettleAgentInput) => createSettleAgent(deps)(input),
  finishRun: (input: FinishRunInput) => createFinishRun(deps)(input),
});
export type Activities = ReturnType<typeof createActivities>;
