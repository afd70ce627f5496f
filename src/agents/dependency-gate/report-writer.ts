import { z } from 'zod';
import { writePrompt } from '../../llm/documents';
import type { ModelReply } from '../../llm/port';
import type { AgentManifestInput } from '../../protocol/agent';
import { AppError } from '../../protocol/failures';
import { type AgentContext, type AgentTask, BaseAgent } from '../base-agent';
import { type ReportFacts, factSentences, templatedSummary } from './facts';
import { FootprintReport } from './footprint-report';
import { InventoryReport } from './inventory-report';
import { prose, shorten } from './markdown';
import { PolicyReport, Verdict } from './policy-schema';
import { outputOf } from './previous';
import { remediesIn, waiversIn } from './proposed';
import { remedySections, waiverSections, waySection } from './report-proposals';
import { changeSections, decisionSection, methodSection, struckSection, totalsTable } from './report-tables';
import { SUMMARY_SYSTEM, SUMMARY_TASK, checkSummary } from './summary';
import { assertShared } from './verdicts';

/** A provider's own words are kept short in the report. */
const MAX_FAILURE_CHARS = 300;

const ReportOptions = z
  .strictObject({
    /** Agent that judged remedies and waivers. */
    judgedBy: z.string().default('evaluator'),
    /** Key of the shared context that must hold every verdict; null looks at none. */
    verdicts: z.string().min(1).max(200).nullable().default(null),
  })
  .prefault({});

/** Who wrote the summary paragraph, and why it was replaced where it was. */
export const ReportSummary = z.strictObject({
  text: z.string(),
  writtenBy: z.enum(['model', 'template']),
  provider: z.string(),
  model: z.string(),
  /** Why the model's paragraph was not taken; null where it was. */
  rejected: z.string().nullable(),
});
export type ReportSummary = z.infer<typeof ReportSummary>;

/** The report as it is pasted into a pull request. */
export const GateReport = z.strictObject({ verdict: Verdict, markdown: z.string(), summary: ReportSummary });
export type GateReport = z.infer<typeof GateReport>;

/** Writes the report: facts from the findings and the verdict, and one paragraph by the model, held against them. */
export class ReportWriter extends BaseAgent<GateReport> {
  static readonly manifest: AgentManifestInput = {
    name: 'report-writer',
    version: '1.0.0',
    description:
      'Writes the gate’s report for a pull request: facts from the findings, a short summary by the model',
    agentType: 'custom',
    capabilities: ['gate-report'],
    input: ReportOptions,
    output: GateReport,
  };

  async execute(task: AgentTask, context: AgentContext): Promise<GateReport> {
    const { judgedBy, verdicts } = ReportOptions.parse(task.options ?? {});
    const facts = await factsFrom(task, judgedBy);
    if (verdicts !== null) await assertShared(facts.policy, verdicts, context);
    const summary = await summarise(facts, context);
    if (summary.rejected !== null) context.log.warn('summary replaced', { why: summary.rejected });
    return { verdict: facts.policy.verdict, markdown: renderReport(facts, summary), summary };
  }
}

/** The whole report. Everything but the paragraph follows from the facts alone. */
export function renderReport(facts: ReportFacts, summary: ReportSummary): string {
  const { policy } = facts;
  const parts = [
    `## Dependency gate: ${policy.verdict}`,
    `**${prose(policy.reason)}**`,
    prose(summary.text),
    `_${byline(summary)}_`,
    totalsTable(facts),
    waySection(facts),
    decisionSection(policy, 'block'),
    ...remedySections(facts),
    decisionSection(policy, 'waive'),
    ...waiverSections(facts),
    decisionSection(policy, 'merge'),
    struckSection(policy),
    ...changeSections(facts),
    methodSection(facts),
  ];
  return `${parts.filter((part) => part !== null).join('\n\n')}\n`;
}

async function factsFrom({ previous }: AgentTask, judgedBy: string): Promise<ReportFacts> {
  const inventory = await outputOf(previous, 'inventory', InventoryReport);
  const policy = await outputOf(previous, 'policy', PolicyReport);
  if (inventory === null || policy === null) {
    const missing = inventory === null ? 'inventory' : 'policy';
    throw new AppError(
      'AGENT_INPUT_INVALID',
      `the report needs the output of ${missing}, which is not there`,
    );
  }
  return {
    inventory,
    policy,
    footprint: await outputOf(previous, 'footprint', FootprintReport),
    remedies: await remediesIn(previous, judgedBy),
    waivers: await waiversIn(previous, judgedBy),
  };
}

async function summarise(facts: ReportFacts, context: AgentContext): Promise<ReportSummary> {
  const text = factSentences(facts).join('\n');
  const prompt = writePrompt({ task: SUMMARY_TASK, documents: [{ name: 'facts', text }] });
  context.heartbeat('asking the model for a summary');
  const answer = await askModel(prompt, context);
  const { provider, model } = answer;
  const checked =
    'failed' in answer ? { ok: false as const, why: answer.failed } : checkSummary(answer, text);
  return checked.ok
    ? { text: checked.text, writtenBy: 'model', provider, model, rejected: null }
    : { text: templatedSummary(facts), writtenBy: 'template', provider, model, rejected: checked.why };
}

type Answer = ModelReply | { readonly provider: string; readonly model: string; readonly failed: string };

/** The verdict stands without a paragraph, so no failure of the model may take it from the reader. */
async function askModel(prompt: string, { model, signal, log }: AgentContext): Promise<Answer> {
  try {
    return await model.invoke(
      { system: SUMMARY_SYSTEM, messages: [{ role: 'user', text: prompt }], maxOutputTokens: 4_000 },
      { signal },
    );
  } catch (error) {
    // What ends the agent itself, as cancellation does, may look like a failure of the call it interrupts.
    if (signal.aborted || !AppError.is(error) || !error.code.startsWith('MODEL_')) throw error;
    log.warn('the model gave no summary', { code: error.code });
    const failed = `the model failed with ${error.code}: ${shorten(error.message, MAX_FAILURE_CHARS)}`;
    return { provider: model.name, model: model.model, failed };
  }
}

function byline({ writtenBy, provider, model, rejected }: ReportSummary): string {
  const who = prose(`${provider}/${model}`);
  if (writtenBy === 'model') return `Summary by ${who}; everything else comes from the files alone.`;
  return `Summary from a template: the paragraph of ${who} was not taken, ${prose(rejected ?? 'for no stated reason')}.`;
}
