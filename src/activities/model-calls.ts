import { Context } from '@temporalio/activity';
import { uuidv7 } from 'uuidv7';
import type { Usage } from '../protocol/agent';
import { AppError, type Failure } from '../protocol/failures';
import { addUsage, NO_USAGE } from '../core/usage';
import type { Repositories } from '../db/repositories';
import type { NewModelCall } from '../db/repositories/model-calls';
import { ModelError, type ModelIdentity, UNKNOWN_USAGE } from '../llm/model-error';
import type { ModelReply, ModelUsage } from '../llm/port';
import type { Cost } from '../llm/prices';
import type { Logger } from '../telemetry/log';
import { cancellation, failureFrom, isCancelled } from './agent-failure';
import { kept, type Waiting } from './kept';
import type { Turn } from './run-turn';

/** What a call to a model cost. */
export type PriceOf = (model: string, usage: ModelUsage) => Cost;

interface RecorderDeps {
  readonly repositories: Repositories;
  readonly priceOf: PriceOf;
  readonly log: Logger;
}

/** A call that has begun. */
export interface OpenCall extends ModelIdentity {
  readonly id: string;
  readonly startedAtMs: number;
  /** When the first delta came; it stays undefined where the answer is not streamed. */
  firstTokenAtMs?: number;
}

/** The model calls of one attempt: each is kept as soon as it has ended, and all of them before the turn has. */
export class ModelCalls {
  /** What this attempt's calls took. */
  usage: Usage = NO_USAGE;
  private readonly open = new Set<OpenCall>();
  private readonly unwritten = new Set<NewModelCall>();

  constructor(
    private readonly deps: RecorderDeps,
    private readonly turn: Pick<Turn, 'input' | 'attempt'>,
  ) {}

  begin({ name, model }: { readonly name: string; readonly model: string }): OpenCall {
    const call: OpenCall = { id: uuidv7(), provider: name, model, startedAtMs: Date.now() };
    this.open.add(call);
    return call;
  }

  async succeeded(call: OpenCall, reply: ModelReply): Promise<void> {
    const { provider, model, usage } = reply;
    await this.ended(call, { provider, model, usage, failure: null });
  }

  /** A call that failed was made all the same; where the provider said what it took, that counts. */
  async failed(call: OpenCall, error: unknown): Promise<void> {
    const failure = failureFrom(
      isCancelled(error) ? cancellation(Context.current().cancellationDetails) : error,
    );
    const { provider, model } = call;
    const usage = (error instanceof ModelError ? error.usage : null) ?? UNKNOWN_USAGE;
    await this.ended(call, { provider, model, usage, failure });
  }

  /** Ends what is still open and keeps what could not be kept at once. Rejects where it cannot be kept now either. */
  async finish(waiting: Waiting, reason?: unknown): Promise<void> {
    for (const call of this.open)
      await this.failed(
        call,
        reason ?? new AppError('AGENT_FAILED', 'The agent did not wait for the answer'),
      );
    for (const call of this.unwritten) {
      await kept(waiting, () => this.deps.repositories.modelCalls.record(this.turn.input.tenantId, call));
      this.unwritten.delete(call);
    }
  }

  private async ended(call: OpenCall, end: CallEnd): Promise<void> {
    // The agent is over, or somebody who ended it was quicker.
    if (!this.open.delete(call)) return;
    const { provider, model, usage, failure } = end;
    const { inputTokens, outputTokens, cachedInputTokens, reasoningTokens } = usage;
    const { costMicros, pricesOf } = this.deps.priceOf(model, usage);
    const took = { inputTokens, outputTokens, cachedInputTokens, reasoningTokens, costMicros };
    this.usage = addUsage(this.usage, { modelCalls: 1, ...took });
    const { input, attempt } = this.turn;
    const record: NewModelCall = {
      id: call.id,
      runId: input.runId,
      agentRunId: attempt.agentRunId,
      attempt: attempt.number,
      provider,
      model,
      ...took,
      firstTokenMs: call.firstTokenAtMs === undefined ? null : call.firstTokenAtMs - call.startedAtMs,
      durationMs: Date.now() - call.startedAtMs,
      pricesOf,
      failure,
    };
    this.unwritten.add(record);
    try {
      await this.deps.repositories.modelCalls.record(input.tenantId, record);
      this.unwritten.delete(record);
    } catch (err) {
      this.deps.log.warn({ err, runId: input.runId }, 'a model call could not be recorded at once');
    }
  }
}

interface CallEnd extends ModelIdentity {
  readonly usage: ModelUsage;
  readonly failure: Failure | null;
}
