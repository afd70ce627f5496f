import { z } from 'zod';
import type { AgentContext, AgentTask } from '../base-agent';
import { analyse } from './analysis';
import { judgeRemedies } from './judge-remedies';
import { type Judged, type Judgement, judgementOn, PROPOSALS } from './judgement';
import { outputsOf } from './previous';
import { RemedyReport } from './remedy-schema';
import { highIn } from './standing';
import { verifiedOrThrow } from './verifier';
import { judgeWaivers, WaiverReport } from './waivers';

const AGENTS = { remedies: 'remedy', waivers: 'waiver' } as const;

/** Which proposals to judge, and whose. */
export const JudgeOptions = z.strictObject({
  proposals: z.enum(PROPOSALS).describe('What is proposed for findings of the dependency gate'),
  of: z.string().min(1).optional().describe('Who proposes it; the agent of that name unless told'),
  verifiedBy: z.string().default('evaluator').describe('Who struck the false findings'),
});
export type JudgeOptions = z.output<typeof JudgeOptions>;

/** Judges the latest proposals against the files, without a model: what does not hold goes back with the reason. */
export async function judgeProposals(
  { proposals, of = AGENTS[proposals], verifiedBy }: JudgeOptions,
  task: AgentTask,
  context: AgentContext,
): Promise<Judgement> {
  const verified = await verifiedOrThrow(task.previous, verifiedBy);
  const wanted = highIn(verified, proposals === 'waivers');
  const [said] = await outputsOf(task.previous, { agent: of });
  const analysis = await analyse(task, context);
  return judgementOn(proposals, await judged());

  async function judged(): Promise<Judged> {
    if (proposals === 'waivers') {
      const report = WaiverReport.safeParse(said);
      return report.success ? judgeWaivers(report.data, wanted, analysis) : unreadable(of, report.error);
    }
    const report = RemedyReport.safeParse(said);
    return report.success
      ? await judgeRemedies({ analysis, report: report.data, wanted }, context)
      : unreadable(of, report.error);
  }
}

function unreadable(agent: string, { issues: [issue] }: z.ZodError): Judged {
  const where = issue?.path.join('.') ?? '';
  const reason = `it hands on nothing that can be judged, ${where}: ${issue?.message ?? 'not as expected'}`;
  return { holds: [], rejected: [{ id: agent, reason }], leftOut: [] };
}
