/** A text given to a model as material, apart from what it is asked. */
export interface GivenDocument {
  readonly name: string;
  readonly text: string;
}

/** What a prompt holds: what is asked, and what it is asked about. */
export interface Prompt {
  readonly task: string;
  readonly documents: readonly GivenDocument[];
}

/** A prompt read back; `marked` where its task was written as one. */
export interface ReadPrompt extends Prompt {
  readonly marked: boolean;
}

const DOCUMENT = /<document name="([^"]*)">\n([\s\S]*?)\n<\/document>/g;
const TASK = /<task>\n([\s\S]*?)\n<\/task>/;

/**
 * Writes a prompt whose parts stay apart: models follow the task and treat documents as material, and the offline
 * provider reads the same marks. Marks inside the texts are broken, so that no text can pretend to be another part.
 */
export function writePrompt({ task, documents }: Prompt): string {
  const parts = documents.map(({ name, text }) => {
    return `<document name="${name.replaceAll(/["<>\n]/g, ' ')}">\n${unmarked(text)}\n</document>`;
  });
  return [...parts, `<task>\n${unmarked(task)}\n</task>`].join('\n\n');
}

/** Reads a prompt back; a text without marks is all task. */
export function readPrompt(text: string): ReadPrompt {
  const documents = [...text.matchAll(DOCUMENT)].map(([, name = '', body = '']) => ({ name, text: body }));
  const rest = text.replaceAll(DOCUMENT, '');
  const task = TASK.exec(rest)?.[1];
  return { task: (task ?? rest).trim(), documents, marked: task !== undefined };
}

function unmarked(text: string): string {
  return text.replaceAll(/<(\/?)(document|task)\b/gi, '<\u200b$1$2');
}
