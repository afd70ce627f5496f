import { z } from 'zod';
import { AppError } from '../../protocol/failures';
import { BlobRef, type Json } from '../../protocol/json';

/** What a run of the dependency gate is given beside its task. */
export const GateInput = z.strictObject({
  head: BlobRef,
  /** Null where there is nothing to compare with: then everything is new. */
  base: BlobRef.nullable(),
  headName: z.string().min(1).max(500),
  baseName: z.string().max(500).nullable(),
  /** A JSON object of installed bytes by location, where the packages are installed. */
  installed: BlobRef.optional(),
  /** The Node.js version to hold engines against; without it the root's own `engines.node` is taken. */
  nodeVersion: z
    .string()
    .regex(/^v?\d+\.\d+\.\d+$/, 'must be a version such as 20.19.0')
    .optional(),
});
export type GateInput = z.infer<typeof GateInput>;

const RunInput = z.looseObject({ gate: GateInput });

/** The gate's part of the run's input. */
export function gateInputOf(input: Json): GateInput {
  const parsed = RunInput.safeParse(input);
  if (parsed.success) return parsed.data.gate;
  const [issue] = parsed.error.issues;
  const where = ['input', ...(issue?.path ?? [])].join('.');
  throw new AppError('INPUT_INVALID', `${where}: ${issue?.message ?? 'not an input of the dependency gate'}`);
}
