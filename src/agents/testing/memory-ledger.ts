import { AppError, type Failure } from '../../protocol/failures';
import { failureLine } from '../../core/failure-line';
import type { Json } from '../../protocol/json';
import type { AgentContext, Reconciled, SideEffects, ToolRun, ToolUse } from '../base-agent';
import { executeBounded, isKept, toolCallKey } from '../tools/call-rules';

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

interface Call {
  readonly use: ToolUse;
  readonly run: ToolRun;
  readonly attempt: number;
}

type Outcome = { readonly result: Json } | { readonly failure: Failure };

/** What is known of one call: an intent, or an outcome too. */
export interface LedgerRow {
  readonly outcome: Outcome | undefined;
}

type Caller = Pick<AgentContext, 'runId' | 'agentRunId' | 'attempt' | 'signal'>;
type Work = (run: ToolRun) => Promise<Json>;

/** Makes tool calls by the rules of the real ledger, and keeps in memory what a real one keeps in PostgreSQL. */
export class MemoryLedger {
  readonly calls: RecordedToolCall[] = [];
  readonly #times = new Map<string, number>();
  readonly #underWay = new Map<string, Promise<Json>>();

  constructor(
    private readonly rows: Map<string, LedgerRow>,
    private readonly scripts: Readonly<Record<string, ScriptedTool>>,
  ) {}

  call({ runId, agentRunId, attempt, signal }: Caller, use: ToolUse, work: Work): Promise<Json> {
    const run: ToolRun = { signal, idempotencyKey: toolCallKey({ runId, agentRunId }, use) };
    const running = this.#underWay.get(run.idempotencyKey);
    if (running !== undefined) return running;
    const made = this.#make({ use, run, attempt }, work).finally(() =>
      this.#underWay.delete(run.idempotencyKey),
    );
    this.#underWay.set(run.idempotencyKey, made);
    return made;
  }

  async #make(call: Call, work: Work): Promise<Json> {
    const { use, run, attempt } = call;
    if (use.sideEffects === 'none' && attempt === 1) return this.#execute(call, work);
    const row = this.rows.get(run.idempotencyKey);
    if (row?.outcome !== undefined) return this.#told(use, row.outcome);
    if (row === undefined || use.sideEffects !== 'dangerous') return this.#execute(call, work);
    if (use.reconcile === undefined) throw unknownOutcome(use);
    const became = (await executeBounded(use, run, use.reconcile)) as Reconciled;
    if (became === 'unknown') throw unknownOutcome(use);
    return became.happened ? this.#settle(call, { result: became.result }) : this.#execute(call, work);
  }

  async #execute(call: Call, work: Work): Promise<Json> {
    const { use, run } = call;
    if (use.sideEffects !== 'none') this.rows.set(run.idempotencyKey, { outcome: undefined });
    try {
      const result = await executeBounded(use, run, this.#scripted(use) ?? work);
      return this.#settle(call, { result });
    } catch (error) {
      if (!isKept(error)) throw error;
      const failure = { code: error.code, message: failureLine(error.message) };
      return this.#settle(call, { failure });
    }
  }

  /** The first outcome is the one that counts. */
  #settle({ use, run: { idempotencyKey } }: Call, given: Outcome): Json {
    const outcome = this.rows.get(idempotencyKey)?.outcome ?? given;
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
