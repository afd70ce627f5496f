import { createHash } from 'node:crypto';
import { z } from 'zod';
import { Json } from '../../protocol/json';
import { Pointer } from '../tools/verify/evidence';

const FINDING_KINDS = [
  'licence',
  'install-script',
  'provenance',
  'duplicate',
  'engine',
  'size',
  'deprecated',
  'unrequired',
  'missing',
] as const;
/** What a finding is about; with the severity, the topic it will be published under. */
export const FindingKind = z.enum(FINDING_KINDS);
export type FindingKind = z.infer<typeof FindingKind>;

/** From worst to least; `unknown` is what the input cannot tell, which is neither good nor bad. */
export const SEVERITIES = ['high', 'unknown', 'low', 'info'] as const;
/** How much a finding matters, where that can be known. */
export const Severity = z.enum(SEVERITIES);
export type Severity = z.infer<typeof Severity>;

/** What happened to the package a finding speaks of; `various` where one finding sums up many packages. */
export const FindingChange = z.enum(['added', 'changed', 'moved', 'various']);
export type FindingChange = z.infer<typeof FindingChange>;

const EvidenceFile = z.enum(['head', 'base', 'installed']);

/** The place in an input file that a finding rests on: either the value that stands there, or that nothing does. */
export const Evidence = z.union([
  z.strictObject({ file: EvidenceFile, pointer: Pointer, value: Json }),
  z.strictObject({ file: EvidenceFile, pointer: Pointer, absent: z.literal(true) }),
]);
export type Evidence = z.infer<typeof Evidence>;

/** One checkable statement about what a change brings in. */
export const Finding = z.strictObject({
  /** The same statement about the same package has the same id in every run. */
  id: z.string().regex(/^[a-z-]+-[0-9a-f]{12}$/),
  kind: FindingKind,
  /** What was checked, within the kind: rules may name it. */
  check: z.string().regex(/^[a-z][a-z0-9-]{0,63}$/),
  severity: Severity,
  /** Published name; `*` in a finding that sums up many packages. */
  package: z.string().min(1),
  /** Null where the lock does not say. */
  version: z.string().nullable(),
  location: z.string(),
  change: FindingChange,
  /** Reached by development dependencies only. */
  dev: z.boolean(),
  /** Locations from the root ('') or a workspace to the package; empty where nothing leads there. */
  path: z.array(z.string()),
  claim: z.string().min(1),
  evidence: z.array(Evidence).min(1).max(50),
});
export type Finding = z.infer<typeof Finding>;

/** A finding before it has its id. */
export type FindingDraft = Omit<Finding, 'id'>;

/** Findings beyond this many are counted, not listed; the worst come first. */
const MAX_FINDINGS = 1_000;

const Counts = z.record(Severity, z.int().nonnegative());

/** What a finding agent hands on. */
export const FindingReport = z.strictObject({
  findings: z.array(Finding).max(MAX_FINDINGS),
  counts: Counts,
  /** Findings that are counted above but not listed. */
  omitted: z.int().nonnegative(),
});
export type FindingReport = z.infer<typeof FindingReport>;

/** Gives the finding the id that follows from what it says about which package. */
export function withId(draft: FindingDraft): Finding {
  const said = [draft.kind, draft.check, draft.package, draft.version ?? '', draft.location].join('\n');
  const hash = createHash('sha256').update(said).digest('hex').slice(0, 12);
  return { id: `${draft.kind}-${hash}`, ...draft };
}

/** Orders findings worst first, production before development, and bounds their number. */
export function reportOf(drafts: readonly FindingDraft[]): FindingReport {
  const ordered = [...drafts].sort(compareFindings);
  const counts: Record<Severity, number> = { high: 0, unknown: 0, low: 0, info: 0 };
  for (const { severity } of ordered) counts[severity]++;
  const findings = ordered.slice(0, MAX_FINDINGS).map(withId);
  return { findings, counts, omitted: ordered.length - findings.length };
}

/** Worst first; among equals by production, kind and location, so that the order never depends on the input's. */
export function compareFindings(a: FindingDraft, b: FindingDraft): number {
  return (
    SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity) ||
    Number(a.dev) - Number(b.dev) ||
    compareText(a.kind, b.kind) ||
    compareText(a.location, b.location) ||
    compareText(a.check, b.check)
  );
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
