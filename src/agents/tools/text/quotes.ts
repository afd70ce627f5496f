import { z } from 'zod';
import type { GivenDocument } from '../../../llm/documents';
import type { Quote } from './measure';

const MOST_QUOTES = 5;

/** A passage as a model is asked to quote it. */
export const QuotedPassage = z.strictObject({
  source: z.string().describe('Name of the document'),
  quote: z.string().describe('Word for word'),
});

/** A reason with the quotes it rests on. */
interface Reasoned {
  readonly reason: string;
  readonly evidence: readonly Quote[];
}

/** Keeps the quotes that the documents hold; what was taken out is said in the reason. */
export function withRealQuotes(
  { reason, evidence }: Reasoned,
  documents: readonly GivenDocument[],
): { reason: string; evidence: Quote[] } {
  const texts = documents.map(({ name, text }) => ({ name, text: plain(text) }));
  const given = evidence.slice(0, MOST_QUOTES);
  const real = given.flatMap((quote) => verified(quote, texts));
  const invented = given.length - real.length;
  const note =
    invented === 0 ? '' : ` (taken out, since not in the documents: ${invented} of the quoted passages)`;
  return { reason: `${reason}${note}`, evidence: real };
}

/** A quote where it stands; the model may have named the wrong document. */
function verified({ source, quote }: Quote, documents: readonly GivenDocument[]): Quote[] {
  const wanted = plain(quote);
  if (wanted === '') return [];
  const holders = documents.filter(({ text }) => text.includes(wanted)).map(({ name }) => name);
  const [first] = holders;
  if (first === undefined) return [];
  return [{ source: holders.includes(source) ? source : first, quote }];
}

/** Models straighten quotation marks and line breaks when they quote. */
function plain(text: string): string {
  return text
    .toLowerCase()
    .replaceAll(/[“”„«»]/g, '"')
    .replaceAll(/[‘’]/g, "'")
    .replaceAll(/\s+/g, ' ')
    .trim();
}
