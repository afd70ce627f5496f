import type { PreviousAgentOutput } from '../base-agent';
import type { Proposed } from './decide';
import { type Judgement, type Proposals, judgementsOn } from './judgement';
import { outputOf } from './previous';
import { type Remedy, RemedyReport } from './remedy-schema';
import { type Waiver, WaiverReport } from './waivers';

/** What agents of this run proposed for findings, with what the judge said of it in the end. */
export interface Proposal<Report, One> {
  readonly report: Report;
  /** Null where nobody judged it; then nothing of it holds. */
  readonly judgement: Judgement | null;
  readonly holding: readonly One[];
}

/** The remedies of this run; null where that way was not taken, or came to nothing. */
export async function remediesIn(
  previous: readonly PreviousAgentOutput[],
  judge: string,
): Promise<Proposal<RemedyReport, Remedy> | null> {
  const report = await outputOf(previous, 'remedy', RemedyReport);
  if (report === null) return null;
  const judgement = await lastJudgement('remedies', previous, judge);
  return { report, judgement, holding: holdingOf(report.remedies, judgement) };
}

/** The waivers of this run; null where that way was not taken, or came to nothing. */
export async function waiversIn(
  previous: readonly PreviousAgentOutput[],
  judge: string,
): Promise<Proposal<WaiverReport, Waiver> | null> {
  const report = await outputOf(previous, 'waiver', WaiverReport);
  if (report === null) return null;
  const judgement = await lastJudgement('waivers', previous, judge);
  return { report, judgement, holding: holdingOf(report.waivers, judgement) };
}

/** What holds, by the finding it is for. */
export async function proposedIn(previous: readonly PreviousAgentOutput[], judge: string): Promise<Proposed> {
  const waivers = (await waiversIn(previous, judge))?.holding ?? [];
  const remedies = (await remediesIn(previous, judge))?.holding ?? [];
  return {
    waivers: new Map(waivers.map(({ id, finding }) => [finding, id])),
    remedies: new Map(remedies.flatMap(({ id, proof }) => proof.gone.map((finding) => [finding, id]))),
  };
}

async function lastJudgement(
  proposals: Proposals,
  previous: readonly PreviousAgentOutput[],
  judge: string,
): Promise<Judgement | null> {
  return (await judgementsOn(proposals, previous, judge)).at(-1) ?? null;
}

function holdingOf<One extends { readonly id: string }>(
  all: readonly One[],
  judgement: Judgement | null,
): readonly One[] {
  return all.filter(({ id }) => judgement?.holds.includes(id) ?? false);
}
