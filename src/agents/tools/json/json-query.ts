import { z } from 'zod';
import { AppError } from '../../../protocol/failures';
import type { Json } from '../../../protocol/json';
import { LIMITS } from '../../../protocol/limits';
import { defineTool, type ToolScope } from '../tool';
import { select } from './select';

const Source = z.union([
  z.literal('input'),
  z.literal('item').describe('The entry that this task is about, where it is about one'),
  z.strictObject({ output: z.string().min(1).describe('Address or name of an agent that came before') }),
  z.strictObject({ context: z.string().min(1).max(LIMITS.contextKeyChars).describe('A shared key') }),
]);

/** Takes exactly the part that is wanted out of JSON that is too large to read whole. */
export const jsonQuery = defineTool({
  name: 'json-query',
  description:
    'Selects parts of JSON (the run\u2019s input, an earlier output, a shared value) by a pointer such as /items/0/name, with * for each and ?field=value for those whose field is value',
  arguments: z.strictObject({
    source: Source.describe('What to select from'),
    path: z.string().max(2_000).describe('Pointer; empty for everything'),
  }),
  async run({ source, path }, scope): Promise<Json> {
    const selected = select(await documentOf(source, scope), path);
    if ('one' in selected) return selected.one;
    const { many, leftOut } = selected;
    return { matches: many.length + leftOut, values: many, ...(leftOut > 0 ? { leftOut } : {}) };
  },
});

async function documentOf(source: z.output<typeof Source>, { task, context }: ToolScope): Promise<Json> {
  if (source === 'input') return task.input;
  if (source === 'item') return itemOf(task);
  if ('context' in source) {
    const value = await context.context.get(source.context);
    if (value !== undefined) return value;
    throw new AppError('INPUT_INVALID', `the context has no key ${source.context}`);
  }
  const { previous } = task;
  const found =
    previous.find(({ address }) => address === source.output) ??
    previous.findLast(({ agent }) => agent === source.output);
  if (found !== undefined) return found.read();
  const known = previous.map(({ address }) => address).join(', ') || 'none';
  throw new AppError('INPUT_INVALID', `there is no output ${source.output}; there are ${known}`);
}

function itemOf({ item }: ToolScope['task']): Json {
  if (item === undefined)
    throw new AppError('INPUT_INVALID', 'there is no item: the task is not one of a list');
  return item;
}
