import type { Json } from '../protocol/json';
import { ANSWER_LIMITS } from './call';
import { ModelError, type ModelIdentity } from './model-error';
import type {
  ModelChunk,
  ModelMessage,
  ModelReply,
  ModelRequest,
  ModelUsage,
  ProviderState,
  ToolCall,
} from './port';
import { jsonIn, type SchemaPlan } from './schema';

/** An answer as a provider gave it, before the rules that hold for all providers. */
export interface RawAnswer {
  readonly model: string | undefined;
  readonly text: string;
  readonly toolCalls: readonly RawToolCall[];
  /** `none`: the provider said nothing of why it stopped. */
  readonly finish: 'stop' | 'length' | 'refused' | 'none';
  readonly usage: ModelUsage;
  /** The words of a refusal, where there are any. */
  readonly refusal?: string;
  readonly state?: ProviderState | undefined;
}

/** A tool call with its arguments as the model wrote them. */
export interface RawToolCall {
  readonly id: string | undefined;
  readonly name: string;
  readonly arguments: string;
}

/** How a request was put to the provider; needed to read the answer. */
export interface Asked {
  readonly identity: ModelIdentity;
  readonly request: ModelRequest;
  readonly schema?: SchemaPlan | undefined;
  /** Ways back for tools whose arguments were asked for in strict mode. */
  readonly tools?: ReadonlyMap<string, SchemaPlan> | undefined;
}

/** Applies the rules that hold whoever answered: what is no answer becomes a failure that still tells its cost. */
export function toReply(answer: RawAnswer, asked: Asked): ModelReply {
  const { identity } = asked;
  const { usage, finish } = answer;
  const about = { ...identity, usage };
  if (finish === 'refused') throw new ModelError('MODEL_REFUSED', 'the model refused to answer', about);
  const toolCalls = readToolCalls(answer, asked);
  if (finish === 'length' && isUselessWhenCut(answer, toolCalls, asked)) {
    throw new ModelError(
      'MODEL_ANSWER_TRUNCATED',
      'the answer reached the output limit before it was complete',
      about,
    );
  }
  if (answer.text.trim() === '' && toolCalls.length === 0) {
    throw new ModelError('MODEL_ANSWER_INVALID', 'the answer is empty', about);
  }
  return {
    provider: identity.provider,
    model: answer.model ?? identity.model,
    text:
      asked.schema === undefined || toolCalls.length > 0 ? answer.text : restored(answer.text, asked.schema),
    toolCalls,
    finishReason: finish === 'length' ? 'length' : toolCalls.length > 0 ? 'tool-calls' : 'stop',
    usage,
    ...(answer.state === undefined ? {} : { state: answer.state }),
  };
}

/** A whole answer as the chunks of a stream, for a server that does not stream. */
export function* chunksOf(reply: ModelReply): Generator<ModelChunk, void, undefined> {
  if (reply.text !== '') yield { type: 'text', text: reply.text };
  for (const { id, name, arguments: given } of reply.toolCalls)
    yield { type: 'tool-call', id, name, argumentsDelta: JSON.stringify(given) };
  yield { type: 'end', reply };
}

/** What this very model left in a turn of the conversation; signed thinking is worth nothing to another. */
export function ownState(message: ModelMessage, { provider, model }: ModelIdentity): Json | undefined {
  const state = message.role === 'assistant' ? message.state : undefined;
  const isOwn = state?.provider === provider && (state.model === undefined || state.model === model);
  return isOwn ? state.items : undefined;
}

/** Parses the arguments a model wrote; what is not JSON is kept, so that the agent can show the model its mistake. */
export function parseArguments(text: string): Json {
  if (text.trim() === '') return {};
  try {
    return JSON.parse(text) as Json;
  } catch {
    return { malformed: text };
  }
}

/** Gathers what a stream brings, within the bound of what an answer may weigh. */
export class Gathered {
  readonly #texts: string[] = [];
  readonly #calls = new Map<string | number, { id: string | undefined; name: string; parts: string[] }>();
  readonly #current = new Map<string | number, string>();
  #chars = 0;

  constructor(private readonly identity: ModelIdentity) {}

  text(delta: string): void {
    this.weigh(delta);
    this.#texts.push(delta);
  }

  /** Opens a tool call, or completes what is known of an open one. */
  call(key: string | number, id: string | undefined, name: string): void {
    const open = this.#calls.get(this.#current.get(key) ?? key);
    // Some servers number every parallel call 0; another id is another call.
    if (open !== undefined && open.id !== undefined && id !== undefined && open.id !== id) {
      const next = `${key}:${this.#calls.size}`;
      this.#current.set(key, next);
      this.#calls.set(next, { id, name, parts: [] });
    } else if (open === undefined) {
      this.#calls.set(key, { id, name, parts: [] });
    } else {
      open.id ??= id;
      if (open.name === '') open.name = name;
    }
  }

  arguments(key: string | number, delta: string): { id: string; name: string } {
    this.weigh(delta);
    const open = this.#calls.get(this.#current.get(key) ?? key);
    if (open === undefined) {
      throw new ModelError(
        'MODEL_ANSWER_INVALID',
        'the answer continues a tool call that it never began',
        this.identity,
      );
    }
    open.parts.push(delta);
    return { id: open.id ?? `call_${key}`, name: open.name };
  }

  weigh(delta: string): void {
    this.#chars += delta.length;
    if (this.#chars > ANSWER_LIMITS.streamChars) {
      throw new ModelError(
        'MODEL_ANSWER_TOO_LARGE',
        'the answer is larger than any model writes; it was cut off',
        this.identity,
      );
    }
  }

  whole(): { text: string; toolCalls: RawToolCall[] } {
    const toolCalls = [...this.#calls].map(([key, { id, name, parts }]) => ({
      id: id ?? `call_${key}`,
      name,
      arguments: parts.join(''),
    }));
    return { text: this.#texts.join(''), toolCalls };
  }
}

function readToolCalls({ toolCalls, usage }: RawAnswer, { identity, tools }: Asked): readonly ToolCall[] {
  const byId = new Map<string, { call: ToolCall; written: string }>();
  for (const [index, raw] of toolCalls.entries()) {
    // Some compatible servers send no ids; results are matched to calls by them.
    const id = raw.id === undefined || raw.id === '' ? `call_${index}` : raw.id;
    if (raw.name === '') {
      throw new ModelError('MODEL_ANSWER_INVALID', 'the answer calls a tool without a name', {
        ...identity,
        usage,
      });
    }
    const parsed = parseArguments(raw.arguments);
    const known = byId.get(id);
    if (known !== undefined && (known.call.name !== raw.name || known.written !== raw.arguments)) {
      const message = 'the answer gives two different tool calls the same id';
      throw new ModelError('MODEL_ANSWER_INVALID', message, { ...identity, usage });
    }
    const restored = tools?.get(raw.name)?.restore(parsed) ?? parsed;
    byId.set(id, { call: { id, name: raw.name, arguments: restored }, written: raw.arguments });
  }
  return [...byId.values()].map(({ call }) => call);
}

function isUselessWhenCut({ text }: RawAnswer, toolCalls: readonly ToolCall[], { request }: Asked): boolean {
  if (toolCalls.length > 0) return true;
  return request.schema !== undefined || text.trim() === '';
}

function restored(text: string, plan: SchemaPlan): string {
  const value = jsonIn(text);
  return value === undefined ? text : JSON.stringify(plan.restore(value));
}
