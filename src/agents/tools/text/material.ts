import type { GivenDocument } from '../../../llm/documents';
import { firstChars } from '../../../core/text';
import type { Json } from '../../../protocol/json';
import type { AgentTask } from '../../base-agent';

/** More than this would not fit the context of most models; what is left out is said. */
const MOST_CHARS = 400_000;
const LONG_LINE_CHARS = 80;

/** What came before, and the run's input, or in a map the entry in its place, as documents for a prompt. */
export async function gatherMaterial(task: AgentTask): Promise<GivenDocument[]> {
  const outputs = await outputsOf(task);
  const name = task.item === undefined ? 'input' : 'item';
  const text = readable(task.item ?? task.input);
  return fitted(text === '' ? outputs : [{ name, text }, ...outputs]);
}

/** The earlier agents' outputs as documents, each under its address. */
export async function outputsOf({ previous, earlier }: AgentTask): Promise<GivenDocument[]> {
  const all = [...((await earlier?.()) ?? []), ...previous];
  const read = await Promise.all(
    all.map(async (output) => ({
      name: output.address || output.agent,
      text: readable(await output.read()),
    })),
  );
  return read.filter(({ text }) => text !== '');
}

/** Cuts documents to what fits together, each in proportion. */
export function fitted(documents: readonly GivenDocument[], most = MOST_CHARS): GivenDocument[] {
  const all = documents.reduce((sum, { text }) => sum + text.length, 0);
  if (all <= most) return [...documents];
  return documents.map(({ name, text }) => {
    const share = Math.floor((text.length / all) * most);
    if (share >= text.length) return { name, text };
    return { name, text: `${firstChars(text, share)}\n[${text.length - share} more characters left out]` };
  });
}

/** JSON as a person would write it: texts as they are, records as lines of `key: value`, lists as items. */
export function readable(value: Json): string {
  return linesOf(value, '').join('\n').trim();
}

function linesOf(value: Json, path: string): string[] {
  if (value === null || value === '') return [];
  if (typeof value === 'string') return labelled(value, path);
  if (typeof value !== 'object') return labelled(String(value), path);
  if (Array.isArray(value)) return listed(value as readonly Json[], path);
  const entries = Object.entries(value);
  return entries.flatMap(([key, inner]) => linesOf(inner, path === '' ? key : `${path}.${key}`));
}

function listed(items: readonly Json[], path: string): string[] {
  const scalars = items.every((item) => typeof item !== 'object' || item === null);
  if (scalars && items.join(', ').length <= LONG_LINE_CHARS) return labelled(items.join(', '), path);
  if (scalars) return [...labelled('', path), ...items.map((item) => `- ${String(item)}`)];
  return items.flatMap((item, index) => linesOf(item, `${path}[${index + 1}]`));
}

/** A long text stands for itself below its label, so that its own lines stay lines. */
function labelled(text: string, path: string): string[] {
  // The one key that says nothing: what agents call what they wrote.
  if (path === '' || path === 'text') return [text];
  if (text === '') return [`${path}:`];
  return text.includes('\n') ? [`${path}:`, text] : [`${path}: ${text}`];
}
