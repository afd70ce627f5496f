import type { ModelMessage, ModelReply, ModelRequest } from '../../llm/port';
import { estimateTokens } from '../../llm/tokens';

/** With less than this no answer is worth asking for. */
const LEAST_ANSWER_TOKENS = 64;
/** The output is bounded only where the budget is about to end: a larger bound than a model's own would be refused. */
const BOUNDED_BELOW_TOKENS = 4_096;

/** Input and output tokens that the model calls of one piece of work may take together. */
export class TokenBudget {
  #spent = 0;

  constructor(private readonly maxTokens = Infinity) {}

  /** Whether not even the least answer is left. */
  get isSpent(): boolean {
    return this.maxTokens - this.#spent < LEAST_ANSWER_TOKENS;
  }

  /** Whether an answer worth asking for is covered. */
  affords(request: ModelRequest): boolean {
    return this.#left(request) >= LEAST_ANSWER_TOKENS;
  }

  /** The request, its output bounded by what is left where that is little. */
  bound<R extends ModelRequest>(request: R): R {
    const left = this.#left(request);
    return left < BOUNDED_BELOW_TOKENS ? { ...request, maxOutputTokens: left } : request;
  }

  /** What the provider did not count is estimated: a budget that is not enforced is none. */
  count(request: ModelRequest, { usage }: ModelReply, turn: ModelMessage): void {
    this.#spent += usage.inputTokens ?? estimateTokens(request);
    this.#spent += usage.outputTokens ?? estimateTokens({ messages: [turn] });
  }

  #left(request: ModelRequest): number {
    return this.maxTokens - this.#spent - estimateTokens(request);
  }
}
