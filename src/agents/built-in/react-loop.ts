import { z } from 'zod';
import { firstChars } from '../../core/text';
import { AppError } from '../../protocol/failures';
import { Json } from '../../protocol/json';
import { type GivenDocument, writePrompt } from '../../llm/documents';
import type { ModelMessage, ModelProvider, ModelReply, ModelRequest } from '../../llm/port';
import type { AgentContext, AgentTask } from '../base-agent';
import { gatherMaterial } from '../tools/text/material';
import { callTool, declare, type Tool, type ToolOutcome } from '../tools/tool';
import { Transcript } from './react-transcript';
import { TokenBudget } from './token-budget';

const MOST_CALLS_PER_STEP = 16;
const SHOWN_PART_CHARS = 2_000;
const MOST_SHOWN_CHARS = 300_000;

/** How a loop of reasoning and acting is to work. */
export interface ReactSettings {
  readonly system: string;
  readonly tools: readonly Tool[];
  /** Material beside the run's input and what came before. */
  readonly documents?: readonly GivenDocument[];
  /** Model calls at most. */
  readonly maxSteps: number;
  /** Input and output tokens of all model calls together, at most; overrun by no more than the call under way. */
  readonly maxTokens?: number | undefined;
}

const Step = z.object({
  thought: z.string(),
  calls: z.array(z.object({ tool: z.string(), arguments: Json, result: z.string(), failed: z.boolean() })),
});

/** What a loop comes to. */
export const ReactAnswer = z.object({
  text: z.string(),
  steps: z.array(Step),
  finished: z
    .enum(['answered', 'step-limit', 'token-limit', 'output-limit'])
    .describe(
      'answered; step-limit: the model still called tools at maxSteps; token-limit: maxTokens ended it; output-limit: the model cut its answer',
    ),
  provider: z.string(),
  model: z.string(),
});
export type ReactAnswer = z.output<typeof ReactAnswer>;
type Finished = ReactAnswer['finished'];

/** An answer, and the conversation that led to it. */
export interface ReactOutcome {
  readonly answer: ReactAnswer;
  /** Whole turns, tool results included; the answer is the last. */
  readonly messages: readonly ModelMessage[];
  readonly transcript: Transcript;
  /** What is left of `maxTokens`. */
  readonly budget: TokenBudget;
}

const LAST_STEP = 'This was the last step. Answer now with what you have, and say what is missing.';
const NO_ANSWER = {
  'step-limit': 'No answer was reached within the step limit.',
  'token-limit': 'No answer was reached within the token limit.',
} as const;

/**
 * Lets a model reason and act with tools until it answers or a limit ends it. Each reply is in the journal before anything
 * follows from it, and each tool call in the ledger: a later attempt goes on at the exact step, and asks the model again at
 * most for the one reply that was lost.
 */
export async function reasonAndAct(
  task: AgentTask,
  context: AgentContext,
  settings: ReactSettings,
): Promise<ReactOutcome> {
  const documents = [...(settings.documents ?? []), ...(await gatherMaterial(task))];
  const loop = new Loop(task, context, settings);
  return loop.run(writePrompt({ task: task.text, documents }), await Transcript.open(context.journal));
}

class Loop {
  readonly #messages: ModelMessage[] = [];
  readonly #steps: ReactAnswer['steps'] = [];
  readonly #shown = new Shown();
  readonly #budget: TokenBudget;
  #last: ModelReply | undefined;

  constructor(
    private readonly task: AgentTask,
    private readonly context: AgentContext,
    private readonly settings: ReactSettings,
  ) {
    this.#budget = new TokenBudget(settings.maxTokens);
  }

  async run(prompt: string, transcript: Transcript): Promise<ReactOutcome> {
    const { maxSteps } = this.settings;
    this.#messages.push({ role: 'user', text: prompt });
    for (let turn = 1; ; turn += 1) {
      this.context.signal.throwIfAborted();
      this.context.heartbeat(`step ${turn} of at most ${maxSteps}`);
      const last = turn >= maxSteps;
      const request = this.#request(turn, last);
      const known = transcript.reply(turn);
      if (known === undefined && !this.#budget.affords(request))
        return this.#outcome(this.#stopped('token-limit'), transcript);
      const reply = known ?? (await transcript.keep(turn, await this.#ask(request)));
      this.#budget.count(request, reply, turnOf(reply));
      this.#last = reply;
      if (reply.toolCalls.length === 0 || last) {
        // Calls that nobody made must not stand in a conversation; the provider's record of the turn would hold them.
        if (reply.toolCalls.length === 0) this.#messages.push(turnOf(reply));
        return this.#outcome(this.#answered(reply), transcript);
      }
      const outcomes = await act(reply, { turn, tools: this.settings.tools }, this);
      this.#steps.push(this.#shown.step(reply, outcomes));
      this.#messages.push(turnOf(reply), ...outcomes.map(resultOf));
    }
  }

  get scope(): { task: AgentTask; context: AgentContext } {
    return { task: this.task, context: this.context };
  }

  #request(turn: number, last: boolean): ModelRequest {
    const { system, tools } = this.settings;
    const messages: ModelMessage[] = [...this.#messages];
    if (last && turn > 1) messages.push({ role: 'user', text: LAST_STEP });
    if (tools.length === 0) return { system, messages };
    return { system, messages, tools: tools.map(declare), toolChoice: last ? 'none' : 'auto' };
  }

  #ask(request: ModelRequest): Promise<ModelReply> {
    return drained(this.context.model, this.#budget.bound(request), this.context.signal);
  }

  #answered(reply: ModelReply): ReactAnswer {
    const { text, toolCalls, finishReason } = reply;
    if (finishReason === 'length') {
      return this.#budget.isSpent
        ? this.#answer(`${text}\n\n(The answer was cut at the token limit.)`, 'token-limit', reply)
        : this.#answer(
            `${text}\n\n(The answer was cut at the output limit of the model.)`,
            'output-limit',
            reply,
          );
    }
    // A model that only calls tools to the end has not answered; that is said, not hidden.
    if (toolCalls.length > 0) return this.#stopped('step-limit');
    return this.#answer(text, 'answered', reply);
  }

  #stopped(finished: keyof typeof NO_ANSWER): ReactAnswer {
    const said = this.#last?.text.trim() ?? '';
    return this.#answer(said === '' ? NO_ANSWER[finished] : said, finished, this.#last);
  }

  #answer(text: string, finished: Finished, reply: ModelReply | undefined): ReactAnswer {
    const { name, model } = this.context.model;
    return {
      text,
      steps: this.#steps,
      finished,
      provider: reply?.provider ?? name,
      model: reply?.model ?? model,
    };
  }

  #outcome(answer: ReactAnswer, transcript: Transcript): ReactOutcome {
    return { answer, messages: this.#messages, transcript, budget: this.#budget };
  }
}

/**
 * Calls of one turn run together; beyond the bound they are refused rather than dropped, since each needs a result. All
 * have ended when this returns or throws: a call must not outlive its agent's attempt.
 */
async function act(
  reply: ModelReply,
  { turn, tools }: { readonly turn: number; readonly tools: readonly Tool[] },
  { scope }: Loop,
): Promise<ToolOutcome[]> {
  const settled = await Promise.allSettled(
    reply.toolCalls.map((call, index): Promise<ToolOutcome> => {
      if (index < MOST_CALLS_PER_STEP) return callTool(tools, { call, step: `${turn}.${index + 1}` }, scope);
      const text = `at most ${MOST_CALLS_PER_STEP} tool calls at once; make this one again if you still need it`;
      return Promise.resolve({ call, text, failed: true });
    }),
  );
  return settled.map((result) => {
    if (result.status === 'rejected') throw result.reason;
    return result.value;
  });
}

/** The whole answer of a stream, which observers see as it comes; of a plain call where the provider has no streams. */
async function drained(
  model: ModelProvider,
  request: ModelRequest,
  signal: AbortSignal,
): Promise<ModelReply> {
  let begun = false;
  let reply: ModelReply | undefined;
  try {
    for await (const chunk of model.invokeStreaming(request, { signal })) {
      begun = true;
      if (chunk.type === 'end') reply = chunk.reply;
    }
  } catch (error) {
    if (begun || !AppError.is(error) || error.code !== 'MODEL_UNSUPPORTED') throw error;
    return model.invoke(request, { signal });
  }
  if (reply !== undefined) return reply;
  throw new AppError('MODEL_ANSWER_CUT', `${model.name} (${model.model}): the stream ended without an end`);
}

function turnOf({ text, toolCalls, state }: ModelReply): ModelMessage {
  return {
    role: 'assistant',
    text,
    ...(toolCalls.length === 0 ? {} : { toolCalls }),
    ...(state === undefined ? {} : { state }),
  };
}

function resultOf({ call, text, failed }: ToolOutcome): ModelMessage {
  return { role: 'tool', toolCallId: call.id, text, ...(failed ? { failed } : {}) };
}

/** What of a loop is kept in its output: enough to follow it, and never so much that the output is refused for its size. */
class Shown {
  #left = MOST_SHOWN_CHARS;

  step({ text }: ModelReply, outcomes: readonly ToolOutcome[]): z.output<typeof Step> {
    const thought = this.#part(text);
    const calls = outcomes.map(({ call, text: result, failed }) => {
      const given = JSON.stringify(call.arguments);
      const shown = this.#part(given);
      const whole = shown.length === given.length;
      return {
        tool: call.name,
        arguments: whole ? call.arguments : shown,
        result: this.#part(result),
        failed,
      };
    });
    return { thought, calls };
  }

  #part(text: string): string {
    const part = firstChars(text, Math.min(SHOWN_PART_CHARS, this.#left));
    this.#left -= part.length;
    return part;
  }
}
