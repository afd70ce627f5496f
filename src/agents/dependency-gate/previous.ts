import type { z } from 'zod';
import { AppError } from '../../protocol/failures';
import type { PreviousAgentOutput } from '../base-agent';

/** What an earlier agent of this run handed on, checked; null where it handed on nothing. */
export async function outputOf<S extends z.ZodType>(
  previous: readonly PreviousAgentOutput[],
  agent: string,
  schema: S,
): Promise<z.infer<S> | null> {
  // The latest, should a step have run twice: a later loop may ask an agent again.
  const found = previous.findLast((output) => output.agent === agent);
  if (found === undefined) return null;
  const parsed = schema.safeParse(await found.read());
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const where = issue?.path.join('.') ?? '';
  throw new AppError(
    'AGENT_INPUT_INVALID',
    `output of ${agent}, ${where}: ${issue?.message ?? 'not as expected'}`,
  );
}
