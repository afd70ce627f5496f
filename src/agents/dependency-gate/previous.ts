import type { z } from 'zod';
import { AppError } from '../../protocol/failures';
import type { Json } from '../../protocol/json';
import type { PreviousAgentOutput } from '../base-agent';

/** Whose output, and the member it is known by where an agent hands on several kinds of it. */
interface Wanted {
  readonly agent: string;
  readonly having?: string;
}

/** What an earlier agent of this run handed on, checked; null where it handed on nothing. The latest where there are several. */
export async function outputOf<S extends z.ZodType>(
  previous: readonly PreviousAgentOutput[],
  wanted: string | Wanted,
  schema: S,
): Promise<z.infer<S> | null> {
  const { agent, having } = typeof wanted === 'string' ? { agent: wanted } : wanted;
  const found = (await outputsOf(previous, { agent, having })).at(-1);
  if (found === undefined) return null;
  const parsed = schema.safeParse(found);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const where = issue?.path.join('.') ?? '';
  throw new AppError(
    'AGENT_INPUT_INVALID',
    `output of ${agent}, ${where}: ${issue?.message ?? 'not as expected'}`,
  );
}

/** Everything that an agent handed on and that has the member, in order; without one only the latest is read. */
export async function outputsOf(
  previous: readonly PreviousAgentOutput[],
  { agent, having }: { readonly agent: string; readonly having?: string | undefined },
): Promise<readonly Json[]> {
  const own = previous.filter((output) => output.agent === agent);
  if (having === undefined) return await Promise.all(own.slice(-1).map((output) => output.read()));
  const all = await Promise.all(own.map((output) => output.read()));
  return all.filter(
    (output) => typeof output === 'object' && output !== null && Object.hasOwn(output, having),
  );
}
