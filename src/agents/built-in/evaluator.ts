import { z } from 'zod';
import type { GivenDocument } from '../../llm/documents';
import { AppError } from '../../protocol/failures';
import { BaseAgent, type AgentContext, type AgentTask } from '../base-agent';
import { Criterion, DEFAULT_CRITERIA, judgeByMeasure, judgeByModel, type Judged } from '../tools/text/judge';
import { gatherMaterial, outputsOf } from '../tools/text/material';

const Options = z
  .strictObject({
    criteria: z.array(Criterion).min(1).max(20).default(DEFAULT_CRITERIA).describe('What to judge by'),
    passScore: z
      .number()
      .min(0)
      .max(1)
      .default(0.7)
      .describe('The weighted score from which the verdict is pass'),
  })
  .prefault({});

const Verdict = z.object({
  verdict: z.enum(['pass', 'fail', 'inconclusive']),
  score: z
    .number()
    .min(0)
    .max(1)
    .nullable()
    .describe('Weighted mean of the known scores; null where too little is known'),
  passScore: z.number(),
  text: z.string().describe('The verdict in words'),
  criteria: z.array(
    z.object({
      name: z.string(),
      weight: z.number(),
      score: z.number().min(0).max(1).nullable(),
      basis: z.enum(['model', 'measured', 'unknown']),
      reason: z.string(),
      evidence: z.array(z.object({ source: z.string(), quote: z.string() })),
    }),
  ),
  judged: z.array(z.string()),
  provider: z.string(),
  model: z.string(),
});
type Verdict = z.output<typeof Verdict>;

/** Judges what came before against weighted criteria; every quote it gives as evidence occurs in what it judged. */
export class Evaluator extends BaseAgent<Verdict> {
  static readonly manifest = {
    name: 'evaluator',
    version: '1.0.0',
    description:
      'Judges the outputs that came before it by weighted criteria, each score with its reason and its evidence.',
    agentType: 'evaluator' as const,
    capabilities: ['evaluate', 'text'],
    input: Options,
    output: Verdict,
  };

  async execute(task: AgentTask, context: AgentContext): Promise<Verdict> {
    const { criteria, passScore } = Options.parse(task.options ?? {});
    const outputs = await outputsOf(task);
    if (outputs.length === 0) {
      throw new AppError(
        'AGENT_INPUT_INVALID',
        'the evaluator has nothing to judge: no agent before it has an output',
      );
    }
    const given = (await gatherMaterial({ ...task, previous: [] })) as readonly GivenDocument[];
    context.heartbeat('judging');
    const subject = { task: task.text, outputs, given };
    const judged = await judge(subject, criteria, context);
    const score = weighted(judged);
    const verdict = score === null ? 'inconclusive' : score >= passScore ? 'pass' : 'fail';
    return {
      verdict,
      score,
      passScore,
      text: inWords(verdict, score, judged),
      criteria: judged,
      judged: outputs.map(({ name }) => name),
      provider: context.model.name,
      model: context.model.model,
    };
  }
}

async function judge(
  subject: Parameters<typeof judgeByModel>[0],
  criteria: readonly Criterion[],
  context: AgentContext,
): Promise<Judged[]> {
  try {
    return await judgeByModel(subject, criteria, context);
  } catch (error) {
    // A provider that cannot judge says so; then what can be counted is counted, and the rest stays unknown.
    if (!AppError.is(error) || error.code !== 'MODEL_UNSUPPORTED') throw error;
    context.log.info('judging by measures, since the model provider cannot judge');
    return criteria.map((criterion) => judgeByMeasure(subject, criterion));
  }
}

/** The weighted mean of what is known; nothing is concluded where less than half of the weight is. */
function weighted(judged: readonly Judged[]): number | null {
  const all = judged.reduce((sum, { weight }) => sum + weight, 0);
  const known = judged.filter(({ score }) => score !== null);
  const weight = known.reduce((sum, one) => sum + one.weight, 0);
  if (weight === 0 || weight < all / 2) return null;
  const score = known.reduce((sum, one) => sum + one.weight * (one.score ?? 0), 0) / weight;
  return Math.round(score * 1000) / 1000;
}

function inWords(verdict: Verdict['verdict'], score: number | null, judged: readonly Judged[]): string {
  const head = score === null ? `${verdict}: too little could be judged` : `${verdict}: ${score.toFixed(2)}`;
  const lines = judged.map(({ name, score: own, reason, basis }) => {
    return `- ${name}: ${own === null ? 'unknown' : own.toFixed(2)} (${basis}) ${reason}`;
  });
  return [head, ...lines].join('\n');
}
