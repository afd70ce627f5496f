import { createHash } from 'node:crypto';
import { z } from 'zod';
import { sameJson } from '../tools/verify/evidence';
import type { Analysis } from './analysis';
import { cite, plain } from './cite';
import { pathText } from './facts';
import { Evidence, type Finding } from './finding';
import type { Judged, Rejected } from './judgement';
import { expiryOf } from './waiver-rules';

/** Waivers beyond this many are counted, not written: nobody signs a thousand of them. */
const MAX_WAIVERS = 200;
const MAX_REASON_CHARS = 2_000;

/** What somebody would have to sign so that one finding may pass, in development alone. */
export const Waiver = z.strictObject({
  id: z.string().regex(/^waiver-[0-9a-f]{12}$/),
  /** The finding it is for, and no other. */
  finding: z.string(),
  /** What it covers: this version at this place, where only development dependencies lead. */
  scope: z.strictObject({
    environment: z.literal('development'),
    package: z.string(),
    version: z.string().nullable(),
    location: z.string(),
    path: z.array(z.string()),
  }),
  /** Why it may be asked for, from facts alone. */
  reason: z.string(),
  /** It holds while every one of these places says what it says here. */
  holdsWhile: z.array(Evidence).min(1),
  /** What would make it unnecessary. */
  endedBy: z.string(),
  /** How long it should last at most, and the rule that says so. */
  expiry: z.strictObject({ days: z.int().positive(), rule: z.string() }),
});
export type Waiver = z.infer<typeof Waiver>;

/** What the waiver agent hands on. */
export const WaiverReport = z.strictObject({
  waivers: z.array(Waiver).max(MAX_WAIVERS),
  /** High development findings for which none is written, by id. */
  omitted: z.array(z.string()).max(3_000),
});
export type WaiverReport = z.infer<typeof WaiverReport>;

/** A waiver for every finding, as far as there may be that many; the same for the same files. */
export function waiversFor(findings: readonly Finding[], { head }: Pick<Analysis, 'head'>): WaiverReport {
  return {
    waivers: findings.slice(0, MAX_WAIVERS).map((finding) => waiverFor(finding, head)),
    omitted: findings.slice(MAX_WAIVERS).map(({ id }) => id),
  };
}

function waiverFor(finding: Finding, head: Analysis['head']): Waiver {
  const { id, package: name, version, location, path, claim } = finding;
  const node = head.graph.byLocation.get(location);
  const facts: readonly Evidence[] =
    node === undefined
      ? []
      : [cite('head', node, 'version'), cite('head', node, 'integrity'), cite('head', node, 'dev')];
  const { days, endedBy, id: rule } = expiryOf(finding);
  const hash = createHash('sha256').update(id).digest('hex').slice(0, 12);
  const way = path.length > 1 ? ` It comes by ${pathText(path)}.` : '';
  return {
    id: `waiver-${hash}`,
    finding: id,
    scope: { environment: 'development', package: name, version, location, path },
    reason:
      `${plain(claim)} Only development dependencies lead to it, so production is installed without it.${way}`.slice(
        0,
        MAX_REASON_CHARS,
      ),
    holdsWhile: distinct([...finding.evidence, ...facts]),
    endedBy,
    expiry: { days, rule },
  };
}

function distinct(all: readonly Evidence[]): Evidence[] {
  return all.filter((one, at) => all.findIndex((other) => sameJson(one, other)) === at);
}

/** Holds every waiver against what follows from the files: it must be for a finding that stands, and say no more. */
export function judgeWaivers(
  { waivers, omitted }: WaiverReport,
  wanted: readonly Finding[],
  analysis: Pick<Analysis, 'head'>,
): Judged {
  const findings = new Map(wanted.map((finding) => [finding.id, finding]));
  const holds: string[] = [];
  const rejected: Rejected[] = [];
  for (const waiver of waivers) {
    const finding = findings.get(waiver.finding);
    const reason =
      finding === undefined
        ? 'no high finding of that id stands in development'
        : holds.includes(waiver.id)
          ? 'it is listed twice'
          : differenceIn(waiver, waiverFor(finding, analysis.head));
    if (reason === null) holds.push(waiver.id);
    else rejected.push({ id: waiver.id, reason });
  }
  const spoken = new Set([...waivers.map(({ finding }) => finding), ...omitted]);
  return { holds, rejected, leftOut: [...findings.keys()].filter((id) => !spoken.has(id)) };
}

function differenceIn(waiver: Waiver, truth: Waiver): string | null {
  for (const field of ['id', 'scope', 'reason', 'holdsWhile', 'endedBy', 'expiry'] as const)
    if (!sameJson(waiver[field], truth[field])) return `its ${field} does not follow from the files`;
  return null;
}
