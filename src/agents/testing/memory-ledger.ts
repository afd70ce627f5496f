import { AppError, type Failure } from '../../protocol/failures';
import type { Json } from '../../protocol/json';
import type { AgentContext, SideEffects, ToolRun, ToolUse } from '../base-agent';
import { executeBounded, isOutcome, toolCallKey } from '../tools/call-rules';

/** What a scripted tool does instead of its work: results, fails, or decides by its arguments and how often it was called. */
export type ScriptedTool = Json | Error | ((given: Json, times: number) => Json | Promise<Json>);

/** One tool call as a test sees it. */
export interface RecordedToolCall {
  readonly name: string;
  readonly arguments: Json;
  readonly step: string;
  readonly sideEffects: SideEffects;
  /** False where the outcome was known from an earlier attempt. */
  readonly executed: boolean;
  readonly result?: Json;
  readonly failure?: Failure;
}

type Outcome = { readonly result: Json } | { readonly failure: Failure };

/** What is known of one call: an intent, or an outcome too. */
export interface LedgerRow {
  readonly outcome: Outcome | undefined;
}

/** Makes tool calls by the rules of the real ledger, and keeps in memory what a real one keeps in PostgreSQL. */
export class MemoryLedger {
  readonly calls: RecordedToolCall[] = [];
  readonly #times = new Map<string, number>();

  constructor(
    private readonly rows: Map<string, LedgerRow>,
    private readonly scripts: Readonly<Record<string, ScriptedTool>>,
  ) {}

  async call(
    { runId, agentRunId, signal }: Pick<AgentContext, 'runId' | 'agentRunId' | 'signal'>,
    use: ToolUse,
    work: (run: ToolRun) => Promise<Json>,
  ): Promise<Json> {
    const run: ToolRun = { signal, idempotencyKey: toolCallKey({ runId, agentRunId }, use) };
    const row = this.rows.get(run.idempotencyKey);
    if (row?.outcome !== undefined) return this.#told(use, row.outcome);
    if (row !== undefined && use.sideEffects === 'dangerous') {
      const became = (await use.reconcile?.(run)) ?? 'unknown';
      if (became === 'unknown') throw unknownOutcome(use);
      if (became.happened) return this.#settle(use, run, { result: became.result });
    }
    return this.#execute(use, run, work);
  }

  async #execute(use: ToolUse, run: ToolRun, work: (run: ToolRun) => Promise<Json>): Promise<Json> {
    if (use.sideEffects !== 'none') this.rows.set(run.idempotencyKey, { outcome: undefined });
    try {
      const result = await executeBounded(use, run, this.#scripted(use) ?? work);
      return this.#settle(use, run, { result });
    } catch (error) {
      if (!isOutcome(error)) throw error;
      return this.#settle(use, run, { failure: { code: error.code, message: error.message } });
    }
  }

  #settle(use: ToolUse, { idempotencyKey }: ToolRun, outcome: Outcome): Json {
    this.rows.set(idempotencyKey, { outcome });
    this.#record(use, outcome, true);
    return resultOf(outcome);
  }

  #told(use: ToolUse, outcome: Outcome): Json {
    this.#record(use, outcome, false);
    return resultOf(outcome);
  }

  #record({ name, arguments: given, step, sideEffects }: ToolUse, outcome: Outcome, executed: boolean): void {
    this.calls.push({ name, arguments: given, step, sideEffects, executed, ...outcome });
  }

  #scripted({ name, arguments: given }: ToolUse): (() => Promise<Json>) | undefined {
    const script = Object.hasOwn(this.scripts, name) ? this.scripts[name] : undefined;
    if (script === undefined) return undefined;
    const times = (this.#times.get(name) ?? 0) + 1;
    this.#times.set(name, times);
    return async () => {
      if (script instanceof Error) throw script;
      return typeof script === 'function' ? script(given, times) : script;
    };
  }
}

function resultOf(outcome: Outcome): Json {
  if ('result' in outcome) return outcome.result;
  throw new AppError(outcome.failure.code, outcome.failure.message);
}

function unknownOutcome({ name, step }: ToolUse): AppError {
  return new AppError(
    'TOOL_OUTCOME_UNKNOWN',
    `Nobody knows what became of the call of ${name} at step ${step}: an earlier attempt ended while it was made`,
  );
}
