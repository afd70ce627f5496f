/** A sentence, a list item or a line: the unit that extraction chooses from. */
export interface Sentence {
  readonly text: string;
  readonly document: string;
  /** Place among all sentences given. */
  readonly index: number;
  /** Place within its document. */
  readonly place: number;
  readonly terms: readonly string[];
}

/** The line that closes every text of the offline provider; it is no part of what a text says. */
export const OFFLINE_NOTE =
  '(Produced offline, without a model: sentences chosen from the given text, none written.)';

// Words that say nothing of what a text is about.
const STOP_WORDS = new Set(
  (
    'a about above after again all also am an and any are as at be because been before being below between both but by ' +
    'can could did do does doing done down during each either else few for from further give given had has have having ' +
    'he her here hers him his how i if in into is it its itself just let like may me might more most much must my no ' +
    'nor not now of off on once one only or other our out over own per please same shall she should since so some such ' +
    'than that the their them then there these they this those through to too under until up upon us very was we were ' +
    'what when where whether which while who whom whose why will with within without would yes yet you your'
  ).split(' '),
);

const ABBREVIATION = /\b(?:e\.g|i\.e|etc|vs|cf|dr|mr|mrs|ms|prof|no|fig|approx|inc|ltd|st|al|pp?|vol)\.$/i;
/** As in J. Smith; such a letter ends a sentence far less often. */
const INITIAL = /(?:^|\s)\p{Lu}\.$/u;

const MARKER = /^\s*(?:[-*•>]|\d+[.)]|#+)\s+/;
const ROW = /^\||^```|\S {3,}\S/;
const RECORD = /^[\w.[\]-]+:(?:\s|$)|^\||^```/;
/** A line this long may have been broken for its width. */
const WRAPPED_CHARS = 60;

/** Words and numbers of a text in lower case, with plurals and the like brought together. */
export function termsOf(text: string): string[] {
  const words = text.toLowerCase().match(/\p{L}[\p{L}\p{M}'’-]*|\d[\d.,]*\d|\d/gu) ?? [];
  return words.filter((word) => !STOP_WORDS.has(word)).map(stem);
}

/** Splits a text where a reader would: at paragraphs, list items, records and the ends of sentences. */
export function sentencesOf(text: string): string[] {
  return unwrapped(text.split(/\r?\n/))
    .map((line) => line.replace(MARKER, '').trim())
    .filter((line) => /[\p{L}\d]/u.test(line) && line !== OFFLINE_NOTE)
    .flatMap(splitLine);
}

/** Joins lines that were broken only for their width; what begins like an item, a row or a record begins anew. */
function unwrapped(lines: readonly string[]): string[] {
  const joined: string[] = [];
  let last = '';
  for (const raw of lines) {
    const line = raw.trim();
    const goesOn =
      last.length >= WRAPPED_CHARS &&
      !/[:.!?]$/.test(last) &&
      line !== '' &&
      !MARKER.test(line) &&
      !RECORD.test(line);
    if (goesOn) joined.push(`${joined.pop() ?? ''} ${line}`);
    else joined.push(line);
    last = ROW.test(line) ? '' : line;
  }
  return joined;
}

/** All sentences of the documents, numbered in reading order. */
export function readDocuments(
  documents: readonly { readonly name: string; readonly text: string }[],
): Sentence[] {
  const units = documents.flatMap(({ name, text }) =>
    sentencesOf(text).map((sentence, place) => ({ text: sentence, document: name, place })),
  );
  return units.map((unit, index) => ({ ...unit, index, terms: termsOf(unit.text) }));
}

function splitLine(line: string): string[] {
  const sentences: string[] = [];
  let start = 0;
  for (const match of line.matchAll(/[.!?…]+["'”’)\]]*\s+(?=`|["'“‘([*]*[\p{Lu}\d])|[。！？]+/gu)) {
    const end = match.index + match[0].length;
    const sentence = line.slice(start, end).trim();
    if (ABBREVIATION.test(sentence) || INITIAL.test(sentence)) continue;
    sentences.push(sentence);
    start = end;
  }
  const rest = line.slice(start).trim();
  return rest === '' ? sentences : [...sentences, rest];
}

/** Enough to bring the common English endings together; in other languages it changes little. */
function stem(word: string): string {
  const bare = word.replace(/['’]s$/, '');
  if (bare.length < 5 || /\d/.test(bare)) return bare;
  return bare.replace(/(?<=[^s])s$/, '').replace(/ie$/, 'y');
}
