import { z } from 'zod';
import { AppError } from '../../protocol/failures';
import type { PreviousAgentOutput } from '../base-agent';
import { type Verified, verifiedBy } from './standing';

/** What a plan's step may set for agents that propose something for findings. */
export const VerifierOptions = z
  .strictObject({
    /** Agent that held the findings against the files: only for what stands is anything proposed. */
    verifiedBy: z.string().default('evaluator'),
    /** Agent that judges the proposals, and whose reasons count where it sent some back. */
    judgedBy: z.string().default('evaluator'),
  })
  .prefault({});

/** What stands of the findings. Throws AGENT_INPUT_INVALID where nothing was verified. */
export async function verifiedOrThrow(
  previous: readonly PreviousAgentOutput[],
  agent: string,
): Promise<Verified> {
  const verified = await verifiedBy(previous, agent);
  if (verified !== null) return verified;
  throw new AppError('AGENT_INPUT_INVALID', `nothing can be proposed: ${agent} has verified no findings`);
}
