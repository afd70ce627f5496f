import type { GivenDocument } from '../../../llm/documents';
import { extract, matching } from '../../../llm/offline/extract';
import { readDocuments, sentencesOf, termsOf } from '../../../llm/offline/sentences';

/** What is judged, and what it is judged against. */
export interface Measured {
  readonly task: string;
  /** The outputs under judgement. */
  readonly outputs: readonly GivenDocument[];
  /** What the outputs had to work from. */
  readonly given: readonly GivenDocument[];
}

export interface Quote {
  readonly source: string;
  readonly quote: string;
}

/** A score between 0 and 1 with its reason, or null where the text gives nothing to measure. */
export interface Measurement {
  readonly score: number | null;
  readonly reason: string;
  readonly evidence: readonly Quote[];
}

type Measure = (measured: Measured) => Measurement;

const FULL_COVERAGE = 2 / 3;
const ENOUGH_WORDS = 30;
const LONG_SENTENCE_WORDS = 35;
const QUOTES = 3;
const QUOTE_CHARS = 240;
const PLACEHOLDER =
  /\b(?:TODO|TBD|FIXME|lorem ipsum|placeholder|as an ai(?: language model)?|insert [\w ]{1,20} here)\b/i;
// Facts that can be right or wrong: numbers, and names within a sentence.
const FACT = /\d+(?:[.,]\d+)*|(?<=[\p{Ll},;:] )\p{Lu}[\p{L}\d-]{2,}/gu;

/** Measures that need no model. Each says in its reason what was counted. */
export const MEASURES = {
  relevance,
  grounding,
  substance,
  clarity,
} satisfies Record<string, Measure>;

export type MeasureName = keyof typeof MEASURES;

/** How many of the terms the outputs speak of, where two thirds are as good as all. */
export function coverage(
  terms: readonly string[],
  outputs: readonly GivenDocument[],
  what: string,
): Measurement {
  const wanted = [...new Set(terms)];
  if (wanted.length === 0) return unknown(`there are no terms to look for`);
  const sentences = readDocuments(outputs);
  const present = new Set(sentences.flatMap((sentence) => sentence.terms));
  const missing = wanted.filter((term) => !present.has(term));
  const share = (wanted.length - missing.length) / wanted.length;
  const absent = missing.length === 0 ? '' : `; not: ${missing.slice(0, 5).join(', ')}`;
  return {
    score: Math.min(1, share / FULL_COVERAGE),
    reason: `${wanted.length - missing.length} of ${wanted.length} ${what} occur${absent}`,
    evidence: quotes(matching(sentences, wanted)),
  };
}

/** The sentences closest to a question, for a person to judge by. */
export function closest(question: string, outputs: readonly GivenDocument[]): readonly Quote[] {
  const sentences = readDocuments(outputs);
  const found = matching(sentences, termsOf(question));
  return quotes(
    found.length > 0 ? found : extract(sentences, { terms: [], sentences: QUOTES, chars: Infinity }),
  );
}

/** Whether the outputs speak of what the task speaks of, in sentences of their own. */
function relevance({ task, outputs }: Measured): Measurement {
  // Repeating the task is no answer to it.
  const own = outputs.map(({ name, text }) => {
    return {
      name,
      text: sentencesOf(text)
        .filter((sentence) => !task.includes(sentence))
        .join('\n'),
    };
  });
  return coverage(termsOf(task), own, 'of the terms of the task');
}

/** Whether the numbers and names of the last output occur in what it had to work from. */
function grounding({ task, outputs, given }: Measured): Measurement {
  const last = outputs.at(-1);
  const sources = [...given, ...outputs.slice(0, -1)];
  if (last === undefined || sources.length === 0)
    return unknown('nothing is known of what the output was made from');
  const facts = [...new Set(last.text.match(FACT) ?? [])];
  if (facts.length === 0) return unknown('the output states no numbers and no names');
  const known = new Set([task, ...sources.map(({ text }) => text)].flatMap(wordsOf));
  const unfounded = facts.filter((fact) => !known.has(fact.toLowerCase()));
  const strange = unfounded.length === 0 ? '' : `; not: ${unfounded.slice(0, 5).join(', ')}`;
  const where = readDocuments([last]).filter(({ text }) =>
    unfounded.some((fact) => wordsOf(text).includes(fact.toLowerCase())),
  );
  return {
    score: (facts.length - unfounded.length) / facts.length,
    reason: `${facts.length - unfounded.length} of ${facts.length} numbers and names occur in the material${strange}`,
    evidence: quotes(where),
  };
}

/** Whether there is something to read, and nothing left to be filled in. */
function substance({ outputs }: Measured): Measurement {
  const sentences = readDocuments(outputs);
  const words = sentences.reduce((sum, { text }) => sum + (text.match(/[\p{L}\d]+/gu)?.length ?? 0), 0);
  const holes = sentences.filter(({ text }) => PLACEHOLDER.test(text));
  const score = Math.min(1, words / ENOUGH_WORDS) / (holes.length + 1);
  const left = holes.length === 0 ? 'no placeholders' : `${holes.length} placeholders`;
  return { score, reason: `${words} words, ${left}`, evidence: quotes(holes) };
}

/** Whether sentences are short enough to read, and none is said twice. */
function clarity({ outputs }: Measured): Measurement {
  const seen = new Set<string>();
  const awkward: Quote[] = [];
  let all = 0;
  for (const { name, text } of outputs) {
    for (const sentence of sentencesOf(text)) {
      all += 1;
      const repeated = seen.has(sentence);
      seen.add(sentence);
      const long = sentence.split(/\s+/).length > LONG_SENTENCE_WORDS;
      if (repeated || long) awkward.push({ source: name, quote: sentence.slice(0, QUOTE_CHARS) });
    }
  }
  if (all === 0) return unknown('there is nothing to read');
  const reason = `${all - awkward.length} of ${all} sentences are short and said once`;
  return { score: (all - awkward.length) / all, reason, evidence: awkward.slice(0, QUOTES) };
}

function quotes(sentences: readonly { readonly document: string; readonly text: string }[]): Quote[] {
  return sentences
    .slice(0, QUOTES)
    .map(({ document, text }) => ({ source: document, quote: text.slice(0, QUOTE_CHARS) }));
}

function wordsOf(text: string): string[] {
  return text.toLowerCase().match(/\d+(?:[.,]\d+)*|[\p{L}\d-]{2,}/gu) ?? [];
}

function unknown(reason: string): Measurement {
  return { score: null, reason, evidence: [] };
}
