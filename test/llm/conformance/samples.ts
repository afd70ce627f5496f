import { z } from 'zod';
import { writePrompt } from '../../../src/llm/documents';
import type { ModelChunk, ModelReply, ModelRequest, ToolDeclaration } from '../../../src/llm/port';

/** A tool that any task can name. */
export const LOOKUP: ToolDeclaration = {
  name: 'lookup',
  description: 'Looks up the population of a city',
  parameters: {
    type: 'object',
    properties: { name: { type: 'string', description: 'City' } },
    required: ['name'],
    additionalProperties: false,
  },
};
/** A shape that the notes fill. */
export const PLACE = z.object({
  city: z.string().describe('the city of the meeting'),
  year: z.int().describe('year of the meeting'),
});
/** Material that even a provider without a model can answer from. */
export const NOTES = writePrompt({
  task: 'Which city and year was the meeting in?',
  documents: [
    { name: 'notes', text: 'The meeting took place in the city of Oslo. The year of the meeting was 1994.' },
  ],
});

/** A request of one user message. */
export const ask = (text: string, more: Partial<ModelRequest> = {}): ModelRequest => ({
  messages: [{ role: 'user', text }],
  ...more,
});
/** Characters of one to four bytes. */
export const UNICODE = 'Zażółć gęślą jaźń 🌍 — «ok»';

/** All chunks of a stream. */
export async function collect(stream: AsyncIterable<ModelChunk>): Promise<ModelChunk[]> {
  const chunks: ModelChunk[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

/** The reply a stream ended with. */
export function endOf(chunks: readonly ModelChunk[]): ModelReply | undefined {
  const last = chunks.at(-1);
  return last?.type === 'end' ? last.reply : undefined;
}

/** The text of a stream. */
export function textOf(chunks: readonly ModelChunk[]): string {
  return chunks.flatMap((chunk) => (chunk.type === 'text' ? [chunk.text] : [])).join('');
}
