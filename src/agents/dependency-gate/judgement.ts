import { z } from 'zod';
import type { Json } from '../../protocol/json';
import type { PreviousAgentOutput } from '../base-agent';
import { outputsOf } from './previous';

const MAX_LISTED = 200;
const MAX_REASON_CHARS = 1_000;
const tally = z.int().nonnegative();

/** What is proposed for findings. */
export const PROPOSALS = ['remedies', 'waivers'] as const;
export type Proposals = (typeof PROPOSALS)[number];

const Rejected = z.strictObject({ id: z.string(), reason: z.string() });
export type Rejected = z.infer<typeof Rejected>;

/** Which proposals hold, and which go back with the reason. Asks no model. */
export const Judgement = z.object({
  verdict: z.enum(['pass', 'fail']).describe('fail where something has to be done again'),
  score: z.number().min(0).max(1).nullable().describe('Share of the proposals that hold; null without any'),
  text: z.string().describe('The verdict in words'),
  proposals: z.enum(PROPOSALS),
  holds: z.array(z.string()).describe('Ids of the proposals that hold, each alone and all together'),
  rejected: z.array(Rejected).max(MAX_LISTED).describe('Proposals that do not hold, with the reason'),
  leftOut: z.array(z.string()).max(MAX_LISTED).describe('Findings that nothing was said about'),
  unlisted: tally.describe('Rejected proposals and findings left out, beyond those listed'),
});
export type Judgement = z.infer<typeof Judgement>;

/** What a judge found, before it is put into words. */
export interface Judged {
  readonly holds: readonly string[];
  readonly rejected: readonly Rejected[];
  readonly leftOut: readonly string[];
}

export function judgementOn(proposals: Proposals, { holds, rejected, leftOut }: Judged): Judgement {
  const all = holds.length + rejected.length;
  const isFine = rejected.length === 0 && leftOut.length === 0;
  const lines = [
    ...rejected.slice(0, 5).map(({ id, reason }) => `- ${id.slice(0, 100)}: ${reason.slice(0, 200)}`),
    ...(leftOut.length > 0 ? [`- left out: ${leftOut.slice(0, 5).join(', ')}`] : []),
  ];
  const listed = { rejected: rejected.slice(0, MAX_LISTED), leftOut: leftOut.slice(0, MAX_LISTED) };
  return {
    verdict: isFine ? 'pass' : 'fail',
    score: all === 0 ? null : Math.round((holds.length / all) * 1_000) / 1_000,
    text: [`${isFine ? 'pass' : 'fail'}: ${holds.length} of ${all} ${proposals} hold`, ...lines].join('\n'),
    proposals,
    holds: [...holds],
    // What is rejected was said by somebody, who may have said anything.
    rejected: listed.rejected.map(({ id, reason }) => ({
      id: id.slice(0, 100),
      reason: reason.slice(0, MAX_REASON_CHARS),
    })),
    leftOut: listed.leftOut,
    unlisted: rejected.length + leftOut.length - listed.rejected.length - listed.leftOut.length,
  };
}

/** Every judgement on these proposals so far, in order. */
export async function judgementsOn(
  proposals: Proposals,
  previous: readonly PreviousAgentOutput[],
  judge: string,
): Promise<readonly Judgement[]> {
  const all: readonly Json[] = await outputsOf(previous, { agent: judge, having: 'proposals' });
  return all.map((one) => Judgement.parse(one)).filter((one) => one.proposals === proposals);
}
