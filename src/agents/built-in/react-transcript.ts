import { z } from 'zod';
import { storable } from '../../core/text';
import { AppError } from '../../protocol/failures';
import { Json } from '../../protocol/json';
import type { ModelReply } from '../../llm/port';
import type { Journal } from '../base-agent';

const tokens = z.int().nonnegative().nullable();

const Reply: z.ZodType<ModelReply> = z.object({
  provider: z.string(),
  model: z.string(),
  text: z.string(),
  toolCalls: z.array(z.object({ id: z.string(), name: z.string(), arguments: Json })),
  finishReason: z.enum(['stop', 'tool-calls', 'length']),
  usage: z.object({
    inputTokens: tokens,
    outputTokens: tokens,
    cachedInputTokens: tokens,
    reasoningTokens: tokens,
  }),
  state: z.object({ provider: z.string(), model: z.string().exactOptional(), items: Json }).exactOptional(),
});

/** One entry holds its own turn alone, so that what a turn costs to keep does not grow with the turns before it. */
const Entry = z.union([
  z.object({ turn: z.int().positive(), reply: Reply }),
  z.object({ structured: z.object({ value: Json }) }),
]);

/** The model's part of an agent run, kept in its journal; the tools' part is in the ledger. */
export class Transcript {
  readonly #replies = new Map<number, ModelReply>();
  #structured: { readonly value: Json } | undefined;

  private constructor(private readonly journal: Journal) {}

  /** Reads what earlier attempts kept. Throws INTERNAL where the journal holds something else. */
  static async open(journal: Journal): Promise<Transcript> {
    const transcript = new Transcript(journal);
    for (const entry of await journal.read()) transcript.#take(entry);
    return transcript;
  }

  reply(turn: number): ModelReply | undefined {
    return this.#replies.get(turn);
  }

  /** The final answer in its wanted shape, where an earlier attempt got it. */
  get structured(): { readonly value: Json } | undefined {
    return this.#structured;
  }

  /** Keeps a reply, and gives it back as every later attempt will read it. */
  async keep(turn: number, reply: ModelReply): Promise<ModelReply> {
    const entry = asStored({ turn, reply });
    await this.journal.append(entry);
    return this.#take(entry).#replies.get(turn) ?? reply;
  }

  async keepStructured(value: Json): Promise<Json> {
    const entry = asStored({ structured: { value } });
    await this.journal.append(entry);
    return this.#take(entry).#structured?.value ?? null;
  }

  #take(entry: Json): this {
    const parsed = Entry.safeParse(entry);
    if (!parsed.success) throw new AppError('INTERNAL', 'The journal holds an entry that is no model reply');
    if ('turn' in parsed.data) this.#replies.set(parsed.data.turn, parsed.data.reply);
    else this.#structured = parsed.data.structured;
    return this;
  }
}

function asStored(entry: object): Json {
  return JSON.parse(storable(JSON.stringify(entry))) as Json;
}
