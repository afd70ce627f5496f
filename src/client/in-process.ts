import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import { uuidv7 } from 'uuidv7';
import type { ContextChange } from '../protocol/context';
import type { BlobRef, Json } from '../protocol/json';
import type { RunRequestInput, RunResult } from '../protocol/run';
import type { ToolCallInfo } from '../protocol/tool-call';
import { workflowIdOf } from '../core/ids';
import { textOf } from '../core/text';
import type { RunNotifications } from '../db/notifications';
import type { Repositories } from '../db/repositories';
import { decoded } from '../runtime/data-converter';
import type { OwnedBuses } from '../runtime/buses';
import { settleRun } from '../runtime/settle-run';
import { startRun } from '../runtime/start-run';
import { Catalogue } from './catalogue';
import { readContextHistory } from './context-history';
import { createDefinedAgents } from './defined-agents';
import type {
  DefinedAgents,
  EnsembleClient,
  EventOptions,
  ModelCallInfo,
  RunSummary,
  StartedRun,
  StoredPlans,
  TokenOptions,
} from './ensemble-client';
import { createMessageClient, type MessageClient } from './messages';
import { readEvents } from './events';
import { findRun } from './find-run';
import { createStoredPlans } from './plans';
import { acceptRequest, type RequestSources } from './request';
import { isFinal, resultOf } from './result';
import { readTokens } from './tokens';
import { listToolCalls, resolveToolCall } from './tool-calls';

export interface InProcessOptions {
  readonly repositories: Repositories;
  readonly buses: OwnedBuses['buses'];
  readonly notifications: RunNotifications;
  readonly temporal: Client;
  readonly eager?: Client | undefined;
  readonly taskQueue: string;
  readonly startsPerHistory?: number;
  readonly tenantId: string;
  readonly projectId: string;
  /** Closes what the client was given to own. */
  readonly close: () => Promise<void>;
}

/** How often a run that has no workflow yet is looked at again. */
const UNSTARTED_POLL_MS = 500;

/** The client over Temporal and PostgreSQL themselves: no server of ours between. */
export class InProcessClient implements EnsembleClient {
  readonly agents: DefinedAgents;
  readonly plans: StoredPlans;
  readonly messages: MessageClient;
  private readonly sources: RequestSources;

  constructor(private readonly options: InProcessOptions) {
    const { repositories, tenantId, projectId } = options;
    this.sources = { repositories, owner: { tenantId, projectId }, catalogue: new Catalogue(options) };
    this.agents = createDefinedAgents(options);
    this.plans = createStoredPlans(this.sources);
    this.messages = createMessageClient(options);
  }

  async start(request: RunRequestInput): Promise<StartedRun> {
    const { repositories, tenantId, projectId } = this.options;
    const { plans, ...accepted } = await acceptRequest(request, this.sources);
    const { plan, agents, idempotencyKey, requestHash } = accepted;
    const task = await repositories.values.store(tenantId, accepted.task);
    const input = await repositories.values.store(tenantId, accepted.input);
    const row = { runId: uuidv7(), projectId, task, input, plan, agents, idempotencyKey, requestHash };
    const told = plans.length === 0 ? {} : { accepted: { plans: plans.map((one) => ({ ...one })) } };
    const { runId, created, status } = await repositories.runs.create(tenantId, { ...row, ...told });
    // What was accepted first under the key is what runs; where it has run, there is nothing to start.
    if (!isFinal(status))
      await startRun(this.options, created ? { ...row, id: runId, tenantId } : await this.find(runId));
    return { runId, workflowId: workflowIdOf(runId), created };
  }

  async run(request: RunRequestInput): Promise<RunResult> {
    const { runId } = await this.start(request);
    return this.result(runId);
  }

  async result(runId: string): Promise<RunResult> {
    const row = await this.find(runId);
    if (!isFinal(row.status)) await this.ended(runId);
    return resultOf(this.options, runId);
  }

  describe(runId: string): Promise<RunResult> {
    return resultOf(this.options, runId);
  }

  events(runId: string, options: EventOptions = {}) {
    return readEvents(this.options, runId, options);
  }

  tokens(runId: string, options: TokenOptions = {}) {
    return readTokens(this.options, runId, options);
  }

  async modelCalls(runId: string): Promise<readonly ModelCallInfo[]> {
    const { repositories, tenantId } = this.options;
    await this.find(runId);
    const calls = await repositories.modelCalls.ofRun(tenantId, runId);
    return calls.map((row) => {
      const { runId: _, ...call } = row;
      return call;
    });
  }

  toolCalls(runId: string): Promise<readonly ToolCallInfo[]> {
    return listToolCalls(this.options, runId);
  }

  resolveToolCall(...given: Parameters<EnsembleClient['resolveToolCall']>): Promise<void> {
    const [runId, key, resolution, by] = given;
    return resolveToolCall(this.options, { runId, key, by }, resolution);
  }

  async output(runId: string, address: string): Promise<Json | undefined> {
    const { repositories, tenantId } = this.options;
    const value = await repositories.agentRuns.outputOf(tenantId, runId, address);
    return value === undefined ? undefined : repositories.values.load(tenantId, value);
  }

  contextHistory(...given: Parameters<EnsembleClient['contextHistory']>): Promise<readonly ContextChange[]> {
    return readContextHistory(this.options, ...given);
  }

  async query<T>(runId: string, what: 'context' | 'roster' | 'plan'): Promise<T> {
    await this.find(runId);
    return decoded(await this.handle(runId).query<T>(what), `The answer to ${what}`);
  }

  async cancel(runId: string): Promise<void> {
    const row = await this.find(runId);
    if (isFinal(row.status)) return;
    try {
      await this.handle(runId).cancel();
    } catch (error) {
      if (!(error instanceof WorkflowNotFoundError)) throw error;
      // Accepted and not started: nobody is there to be told, so the row ends here; a late start finds it final.
      await this.endUnstarted(runId);
    }
  }

  async signal(runId: string, name: string, ...args: readonly Json[]): Promise<void> {
    await this.find(runId);
    await this.handle(runId).signal(name, ...args);
  }

  async list(options: { readonly limit?: number } = {}): Promise<readonly RunSummary[]> {
    const { repositories, tenantId, projectId } = this.options;
    const rows = await repositories.runs.list(tenantId, { projectId, limit: options.limit ?? 20 });
    return Promise.all(
      rows.map(async ({ id, status, task, createdAt, endedAt }) => ({
        runId: id,
        status,
        task: textOf(await repositories.values.load(tenantId, task)),
        createdAt,
        endedAt,
      })),
    );
  }

  upload(bytes: Uint8Array, mediaType: string): Promise<BlobRef> {
    return this.options.repositories.blobs.put(this.options.tenantId, bytes, mediaType);
  }

  async ready(): Promise<void> {
    const { repositories, temporal } = this.options;
    await repositories.agents.list();
    await temporal.connection.ensureConnected();
    await temporal.workflowService.getSystemInfo({});
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.options.close();
  }

  private handle(runId: string) {
    return this.options.temporal.workflow.getHandle(workflowIdOf(runId));
  }

  private async endUnstarted(runId: string): Promise<void> {
    const { repositories, tenantId } = this.options;
    const failure = { code: 'RUN_CANCELLED', message: 'Cancelled before it was started' } as const;
    const end = {
      runId,
      status: 'cancelled',
      result: null,
      failure,
      degraded: [],
      events: [],
    } as const;
    await repositories.runs.finish(tenantId, end);
  }

  private find(runId: string) {
    return findRun(this.options, runId);
  }

  /** Waits until the run is over, also where its workflow is closed from outside, or not started yet. */
  private async ended(runId: string): Promise<void> {
    const { tenantId } = this.options;
    for (;;) {
      const { outcome } = await settleRun(this.options, { tenantId, runId });
      if (outcome !== 'no-workflow') return;
      // Whoever accepted it died before starting it: a worker's reconciler does so instead.
      if (isFinal((await this.find(runId)).status)) return;
      await sleep(UNSTARTED_POLL_MS);
    }
  }
}
