import { Context } from '@temporalio/activity';
import type { Client } from '@temporalio/client';
import type { ToolHost } from '../agents/base-agent';
import type { LoadedAgent } from '../agents/loader';
import type { Repositories } from '../db/repositories';
import type { ModelProvider } from '../llm/port';
import type { ModelChoice } from '../protocol/agent-definition';
import type {
  AcceptRunInput,
  AppendEventsInput,
  FinishRunInput,
  LookForMessageInput,
  LookIntoMailboxInput,
  ReadListInput,
  ReadRunInput,
  SettleAgentInput,
  StoreValuesInput,
} from '../protocol/run';
import type { Logger } from '../telemetry/log';
import { typed } from './agent-failure';
import type { Buses } from './bus/buses';
import { createAcceptRun, createReadRun } from './child-runs';
import { ContextOutbox } from './context-outbox';
import { createContextReader, createPreviousReader } from './context-reader';
import { createExecuteAgent } from './execute-agent';
import { createReadList } from './lists';
import { createLookForMessage } from './look-for-message';
import { createLookIntoMailbox } from './look-into-mailbox';
import type { PriceOf } from './model-calls';
import { createAgentResolver } from './resolve-agent';
import { type BusKey, createRouteMessages } from './route-messages';
import { createAppendEvents, createFinishRun, createSettleAgent } from './settle';
import { createStoreValues } from './stored-values';
import { AheadOpenings } from './opened-ahead';
import { TokenBatcher } from './token-batcher';

/** What the activities are built over. */
export interface ActivityDeps {
  readonly repositories: Repositories;
  readonly buses: Buses;
  readonly agents: ReadonlyMap<string, LoadedAgent>;
  readonly model: ModelProvider;
  /** Makes the model that an agent asks for in place of the worker's own. Throws CONFIG_INVALID. */
  readonly chooseModel: (choice: ModelChoice) => ModelProvider;
  readonly priceOf: PriceOf;
  /** Asks run workflows for their shared context. */
  readonly client: Client;
  readonly log: Logger;
  /** What this worker opens to tools. */
  readonly host: ToolHost;
  /** How many activities the worker runs at once. */
  readonly slots: number;
}

const HEARTBEAT_EVERY_MS = 1_000;

/** Every activity of the worker; workflows know them by this type alone. */
export const createActivities = (deps: ActivityDeps) => ({
  executeAgent: createExecuteAgent({
    ...deps,
    readContext: createContextReader(deps.client),
    contextOutbox: new ContextOutbox(deps.client),
    resolveAgent: createAgentResolver(deps),
    tokens: new TokenBatcher(deps),
    ahead: new AheadOpenings(deps.slots),
    readPrevious: createPreviousReader(deps.client),
  }),
  settleAgent: (input: SettleAgentInput) => createSettleAgent(deps)(input),
  routeMessages: routing(deps),
  lookForMessage: (input: LookForMessageInput) =>
    heartbeating(() => typed(createLookForMessage(deps))(input)),
  lookIntoMailbox: (input: LookIntoMailboxInput) =>
    heartbeating(() => typed(createLookIntoMailbox(deps))(input)),
  closeBus: (key: BusKey) => typed((run: BusKey) => deps.buses.close(run))(key),
  finishRun: (input: FinishRunInput) => createFinishRun(deps)(input),
  appendEvents: (input: AppendEventsInput) => typed(createAppendEvents(deps))(input),
  acceptRun: (input: AcceptRunInput) => typed(createAcceptRun(deps))(input),
  readRun: (input: ReadRunInput) => typed(createReadRun(deps))(input),
  readList: (input: ReadListInput) => typed(createReadList(deps))(input),
  storeValues: (input: StoreValuesInput) => typed(createStoreValues(deps))(input),
});
export type Activities = ReturnType<typeof createActivities>;

function routing(deps: ActivityDeps): RouteMessages {
  const routeMessages = createRouteMessages(deps);
  return (key, ...batches) => heartbeating(() => routeMessages(key, ...batches));
}

type RouteMessages = ReturnType<typeof createRouteMessages>;

/** Most calls are over before they have to say that they are alive; one that waits for PostgreSQL is not. */
async function heartbeating<T>(work: () => Promise<T>): Promise<T> {
  const { heartbeat } = Context.current();
  const alive = setInterval(heartbeat, HEARTBEAT_EVERY_MS);
  try {
    return await work();
  } finally {
    clearInterval(alive);
  }
}
