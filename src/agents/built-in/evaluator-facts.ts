import { z } from 'zod';
import { AppError } from '../../protocol/failures';
import { BlobRef, type Json } from '../../protocol/json';
import type { AgentContext, AgentTask } from '../base-agent';
import { gateFacts } from '../dependency-gate/gate-facts';
import { decodeUtf8, parseJson } from '../tools/lockfile/json-text';
import { resolvePointer } from '../tools/lockfile/pointer';
import { Pointer } from '../tools/verify/evidence';
import type { Facts } from '../tools/verify/verify';

/** Whose findings to verify, and against what. */
export const VerifyOptions = z
  .strictObject({
    agents: z
      .array(z.string().min(1))
      .min(1)
      .max(100)
      .optional()
      .describe('Whose findings to verify; without it those of every agent that came before'),
    documents: z
      .record(z.string().min(1), Pointer)
      .optional()
      .describe(
        "What findings cite, by name: where in the run's input the document, or its blob reference, stands",
      ),
    facts: z
      .enum(['dependency-gate'])
      .optional()
      .describe('Whose documents and checks the claims are held against as well'),
  })
  .refine(
    ({ documents, facts }) => (documents === undefined) !== (facts === undefined),
    'states either documents or facts',
  );
export type VerifyOptions = z.output<typeof VerifyOptions>;

/** Reads what the findings are held against, from the run's input and nothing else. */
export async function factsFor(
  { documents = {}, facts }: VerifyOptions,
  task: AgentTask,
  context: AgentContext,
): Promise<Facts> {
  if (facts === 'dependency-gate') return await gateFacts(task, context);
  const read = new Map<string, Json>();
  for (const [name, pointer] of Object.entries(documents)) {
    const value = resolvePointer(task.input, pointer);
    // Left out of the input: what cites it has nothing to stand on.
    if (value !== undefined && value !== null) read.set(name, await contentOf(name, value, context));
  }
  return { documents: read };
}

async function contentOf(name: string, value: Json, { blobs }: Pick<AgentContext, 'blobs'>): Promise<Json> {
  const ref = BlobRef.safeParse(value);
  if (!ref.success) return value;
  try {
    return await parseJson(decodeUtf8(await blobs.read(ref.data)));
  } catch (error) {
    if (AppError.is(error)) throw new AppError(error.code, `${name}: ${error.message}`, { cause: error });
    throw error;
  }
}
