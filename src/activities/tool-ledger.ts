import { AppError, type Failure } from '../protocol/failures';
import type { Json, Value } from '../protocol/json';
import { storableCopy } from '../core/text';
import type { AgentContext, Reconciled, ToolRun, ToolUse } from '../agents/base-agent';
import { executeBounded, isKept, toolCallKey } from '../agents/tools/call-rules';
import type { ToolCallIntent, ToolCallOutcome } from '../db/repositories/tool-calls';
import { reach } from '../telemetry/kill-points';
import { failureFrom } from './agent-failure';
import type { ExecuteDeps } from './execute-agent';
import { kept, type Waiting } from './kept';
import type { Turn } from './run-turn';

type Work = (run: ToolRun) => Promise<Json>;

interface Call {
  readonly use: ToolUse;
  readonly run: ToolRun;
  readonly intent: ToolCallIntent;
}

/** The tool calls of one attempt, each made through the ledger. */
export function toolLedger(deps: ExecuteDeps, turn: Turn, watch: Waiting): AgentContext['tool'] {
  const ledger = new ToolLedger(deps, turn, watch);
  return (use, work) => ledger.call(use, work);
}

/**
 * Makes a tool call once, whatever becomes of the attempts that make it: what the ledger knows is answered from it; what
 * was begun and has no outcome is repeated only where repeating is harmless, and otherwise asked about.
 */
class ToolLedger {
  /** The same call made twice at once is one. */
  private readonly underWay = new Map<string, Promise<Json>>();

  constructor(
    private readonly deps: ExecuteDeps,
    private readonly turn: Turn,
    private readonly watch: Waiting,
  ) {}

  async call(use: ToolUse, work: Work): Promise<Json> {
    const { input, attempt } = this.turn;
    const key = toolCallKey({ runId: input.runId, agentRunId: attempt.agentRunId }, use);
    const running = this.underWay.get(key);
    if (running !== undefined) return running;
    const made = this.make(use, key, work).finally(() => this.underWay.delete(key));
    this.underWay.set(key, made);
    return made;
  }

  private async make(use: ToolUse, key: string, work: Work): Promise<Json> {
    reach('tool.before');
    const since = Date.now();
    const { input, attempt } = this.turn;
    const call: Call = {
      use,
      run: { signal: this.watch.signal, idempotencyKey: key },
      intent: {
        runId: input.runId,
        agentRunId: attempt.agentRunId,
        attempt: attempt.number,
        tokenHash: attempt.tokenHash,
        key,
        step: use.step,
        tool: use.name,
        sideEffects: use.sideEffects,
        arguments: await this.store(storableCopy(use.arguments)),
      },
    };
    const result = await this.madeOnce(call, work);
    const fields = { runId: input.runId, tenant: input.tenantId, agent: input.agent.name };
    this.deps.log.debug({ ...fields, tool: use.name, ms: Date.now() - since }, 'tool call');
    reach('tool.after');
    return result;
  }

  private async madeOnce(call: Call, work: Work): Promise<Json> {
    const { use, intent } = call;
    // Nobody made it before the first attempt, and nothing is to be written before it is made.
    if (use.sideEffects === 'none' && intent.attempt === 1) return this.execute(call, work);
    const { toolCalls } = this.deps.repositories;
    const begun = await this.kept(() => toolCalls.begin(this.turn.input.tenantId, intent));
    switch (begun.outcome) {
      case 'begun':
        return this.execute(call, work);
      case 'known':
        return this.told(begun);
      case 'fenced':
        throw fenced();
      case 'open':
        return use.sideEffects === 'dangerous' ? this.settle(call, work) : this.execute(call, work);
    }
  }

  /** A dangerous call that was begun: whatever the world says became of it, and nothing where it cannot say. */
  private async settle(call: Call, work: Work): Promise<Json> {
    const { use, run, intent } = call;
    if (use.reconcile === undefined) return this.doubt(intent);
    const became = (await executeBounded(use, run, use.reconcile)) as Reconciled;
    if (became === 'unknown') return this.doubt(intent);
    return became.happened ? this.record(call, async () => became.result) : this.execute(call, work);
  }

  private async doubt(intent: ToolCallIntent): Promise<Json> {
    const doubted = await this.deps.repositories.toolCalls.doubt(this.turn.input.tenantId, intent);
    if (doubted.outcome === 'fenced') throw fenced();
    if (doubted.outcome === 'known') return this.told(doubted);
    throw new AppError(
      'TOOL_OUTCOME_UNKNOWN',
      `Tool ${intent.tool} (step ${intent.step}) was begun by an earlier attempt and nobody knows whether it happened; ` +
        `find out, and say so with resolveToolCall, key ${intent.key}`,
    );
  }

  private execute(call: Call, work: Work): Promise<Json> {
    return this.record(call, async () => {
      const result = await executeBounded(call.use, call.run, work);
      reach('outcome.before');
      return result;
    });
  }

  /** Keeps the outcome; a failure that is none leaves open what became of the call. */
  private async record({ intent }: Call, work: () => Promise<Json>): Promise<Json> {
    let result: Json;
    try {
      result = await work();
    } catch (error) {
      if (!isKept(error)) throw error;
      // As it is kept, so that every attempt is told the same.
      const failure = failureFrom(error);
      const already = await this.end(intent, { result: null, failure });
      if (already !== undefined) return already;
      throw new AppError(failure.code, failure.message, { cause: error });
    }
    const already = await this.end(intent, { result: await this.store(result), failure: null });
    return already ?? result;
  }

  /** Answers with the outcome that counts where it is another one than this. */
  private async end(intent: ToolCallIntent, outcome: ToolCallOutcome): Promise<Json | undefined> {
    const { toolCalls } = this.deps.repositories;
    const ended = await this.kept(() => toolCalls.end(this.turn.input.tenantId, { ...intent, ...outcome }));
    if (ended.outcome === 'fenced') throw fenced();
    return ended.outcome === 'already' ? this.told(ended) : undefined;
  }

  private async told(outcome: {
    readonly result: Value | null;
    readonly failure: Failure | null;
  }): Promise<Json> {
    if (outcome.failure !== null) throw new AppError(outcome.failure.code, outcome.failure.message);
    if (outcome.result === null) throw new AppError('INTERNAL', 'A tool call has ended without an outcome');
    return this.deps.repositories.values.load(this.turn.input.tenantId, outcome.result);
  }

  private store(json: Json): Promise<Value> {
    return this.kept(() => this.deps.repositories.values.store(this.turn.input.tenantId, json));
  }

  private kept<T>(write: () => Promise<T>): Promise<T> {
    return kept(this.watch, write);
  }
}

function fenced(): AppError {
  return new AppError('ATTEMPT_FENCED', 'A later attempt took over; what came of this tool call is not kept');
}
