import { z } from 'zod';
import type { GivenDocument } from '../../llm/documents';
import { AppError } from '../../protocol/failures';
import { LIMITS } from '../../protocol/limits';
import { BaseAgent, type AgentContext, type AgentTask } from '../base-agent';
import { compareByMeasure, compareByModel } from '../tools/text/compare';
import { Criterion, DEFAULT_CRITERIA } from '../tools/text/criterion';
import { judgeByMeasure, judgeByModel, type Judged } from '../tools/text/judge';
import { gatherMaterial, outputsOf } from '../tools/text/material';
import type { Measured } from '../tools/text/measure';
import { Comparison, type ComparedPair, pairsOf, rank } from '../tools/text/rank';
import { reportsOf, Verification, verify } from '../tools/verify/verify';
import { judgeProposals, JudgeOptions } from '../dependency-gate/judge';
import { Judgement } from '../dependency-gate/judgement';
import { factsFor, VerifyOptions } from './evaluator-facts';

/** Each with each, twice: more outputs would take more than thirty calls. */
const MOST_COMPARED = 6;

const Options = z
  .strictObject({
    criteria: z.array(Criterion).min(1).max(20).default(DEFAULT_CRITERIA).describe('What to judge by'),
    passScore: z
      .number()
      .min(0)
      .max(1)
      .default(0.7)
      .describe('The weighted score from which the verdict is pass'),
    compare: z
      .boolean()
      .default(false)
      .describe(`Say which of the outputs is best by the criteria; 2 to ${MOST_COMPARED} outputs`),
    verify: VerifyOptions.optional().describe('Hold findings against the documents they cite; asks no model'),
    judge: JudgeOptions.optional().describe('Prove again what is proposed for findings; asks no model'),
  })
  .refine(
    ({ compare, verify: facts, judge }) => [compare || undefined, facts, judge].filter(Boolean).length <= 1,
    'only one of compare, verify and judge',
  )
  .prefault({});
type Options = z.output<typeof Options>;

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
      level: z.string().optional().describe('The level of the scale, where the criterion has one'),
      basis: z.enum(['model', 'measured', 'unknown']),
      reason: z.string(),
      evidence: z.array(z.object({ source: z.string(), quote: z.string() })),
    }),
  ),
  judged: z.array(z.string()),
  provider: z.string(),
  model: z.string(),
});
export type Verdict = z.output<typeof Verdict>;

type Evaluation = Verdict | Comparison | Verification | Judgement;

/** Judges what came before against weighted criteria, compares it, strikes findings that their documents contradict, or proves proposals again. */
export class Evaluator extends BaseAgent<Evaluation> {
  static readonly manifest = {
    name: 'evaluator',
    version: '1.2.0',
    description:
      'Judges or compares the outputs before it by weighted criteria with reasons and evidence, and strikes false findings.',
    agentType: 'evaluator' as const,
    capabilities: ['evaluate', 'compare', 'verify-findings', 'text'],
    input: Options,
    // Whichever it is, it is an object, which a union does not say by itself.
    output: z.union([Verdict, Comparison, Verification, Judgement]).meta({ type: 'object' }),
    limits: { outputBytes: LIMITS.agentOutputBytes },
  };

  async execute(task: AgentTask, context: AgentContext): Promise<Evaluation> {
    const options = Options.parse(task.options ?? {});
    if (options.verify !== undefined) return await verified(task, options.verify, context);
    if (options.judge !== undefined) return await judgeProposals(options.judge, task, context);
    const outputs = await outputsOf(task);
    if (outputs.length === 0) {
      throw new AppError(
        'AGENT_INPUT_INVALID',
        'the evaluator has nothing to judge: no agent before it has an output',
      );
    }
    const given = (await gatherMaterial({ ...task, previous: [] })) as readonly GivenDocument[];
    const subject = { task: task.text, outputs, given };
    return await (options.compare ? compared : judged)(subject, options, context);
  }
}

async function verified(
  task: AgentTask,
  options: VerifyOptions,
  context: AgentContext,
): Promise<Verification> {
  context.heartbeat('reading what the findings cite');
  const facts = await factsFor(options, task, context);
  context.heartbeat('holding the findings against it');
  const verification = await verify(await reportsOf(task.previous, options.agents), facts);
  const { checked, struck, struckUnlisted } = verification;
  context.log.info('findings verified', { checked, struck: struck.length + struckUnlisted });
  return verification;
}

async function judged(
  subject: Measured,
  { criteria, passScore }: Options,
  context: AgentContext,
): Promise<Verdict> {
  context.heartbeat('judging');
  const all = await orByMeasure(
    () => judgeByModel(subject, criteria, context),
    () => criteria.map((criterion) => judgeByMeasure(subject, criterion)),
    context,
  );
  const score = weighted(all);
  const verdict = score === null ? 'inconclusive' : score >= passScore ? 'pass' : 'fail';
  return {
    verdict,
    score,
    passScore,
    text: inWords(verdict, score, all),
    criteria: all,
    judged: subject.outputs.map(({ name }) => name),
    provider: context.model.name,
    model: context.model.model,
  };
}

async function compared(
  { task, outputs, given }: Measured,
  { criteria }: Options,
  context: AgentContext,
): Promise<Comparison> {
  if (outputs.length < 2 || outputs.length > MOST_COMPARED) {
    throw new AppError(
      'AGENT_INPUT_INVALID',
      `the evaluator compares 2 to ${MOST_COMPARED} outputs, and ${outputs.length} came before it`,
    );
  }
  const pairs: ComparedPair[] = [];
  for (const pair of pairsOf(outputs)) {
    context.heartbeat(`comparing ${pair.map(({ name }) => name).join(' and ')}`);
    const found = await orByMeasure(
      () => compareByModel({ task, given, pair }, criteria, context),
      () => criteria.map((criterion) => compareByMeasure({ task, given, pair }, criterion)),
      context,
    );
    pairs.push({ pair, criteria: found });
  }
  return { ...rank(outputs, pairs), provider: context.model.name, model: context.model.model };
}

/** A provider that cannot judge says so; then what can be counted is counted, and the rest stays unknown. */
async function orByMeasure<T>(
  byModel: () => Promise<T>,
  byMeasure: () => T,
  { log }: Pick<AgentContext, 'log'>,
): Promise<T> {
  try {
    return await byModel();
  } catch (error) {
    if (!AppError.is(error) || error.code !== 'MODEL_UNSUPPORTED') throw error;
    log.info('judging by measures, since the model provider cannot judge');
    return byMeasure();
  }
}

/** The weighted mean of what is known; nothing is concluded where less than half of the weight is. */
function weighted(all: readonly Judged[]): number | null {
  const total = all.reduce((sum, { weight }) => sum + weight, 0);
  const known = all.filter(({ score }) => score !== null);
  const weight = known.reduce((sum, one) => sum + one.weight, 0);
  if (weight === 0 || weight < total / 2) return null;
  const score = known.reduce((sum, one) => sum + one.weight * (one.score ?? 0), 0) / weight;
  return Math.round(score * 1000) / 1000;
}

function inWords(verdict: Verdict['verdict'], score: number | null, all: readonly Judged[]): string {
  const head = score === null ? `${verdict}: too little could be judged` : `${verdict}: ${score.toFixed(2)}`;
  const lines = all.map(({ name, score: own, level, reason, basis }) => {
    const said = own === null ? 'unknown' : `${level === undefined ? '' : `${level}, `}${own.toFixed(2)}`;
    return `- ${name}: ${said} (${basis}) ${reason}`;
  });
  return [head, ...lines].join('\n');
}
