import { nameOfLocation } from '../tools/lockfile/entry';
import { plain } from './cite';
import type { FootprintReport } from './footprint-report';
import type { InventoryReport } from './inventory-report';
import { shorten } from './markdown';
import type { Decision, PolicyReport, Verdict } from './policy-schema';
import type { Proposal } from './proposed';
import type { Remedy, RemedyReport } from './remedy-schema';
import type { Waiver, WaiverReport } from './waivers';

/** What the report is written from. */
export interface ReportFacts {
  readonly inventory: InventoryReport;
  readonly policy: PolicyReport;
  /** Null where that agent was skipped; the policy then says so. */
  readonly footprint: FootprintReport | null;
  /** Null where that way was not gone, or came to nothing. */
  readonly remedies: Proposal<RemedyReport, Remedy> | null;
  readonly waivers: Proposal<WaiverReport, Waiver> | null;
}

/** Findings told in the summary; the tables hold more. */
const MAX_TOLD = 5;
const MAX_REMEDIES_TOLD = 3;

const MEANING: Readonly<Record<Verdict, string>> = {
  block: 'must not be merged as it is',
  waive: 'may be merged once somebody answers for what was found',
  merge: 'may be merged',
};

/** The facts as sentences, most important first: all that a model is told, and the summary where no model is used. */
export function factSentences(facts: ReportFacts): readonly string[] {
  const { inventory, policy } = facts;
  return [
    `Verdict ${policy.verdict}: this change ${MEANING[policy.verdict]}. ${policy.reason}`,
    ...told(policy, 'block'),
    ...remedySentences(facts),
    ...told(policy, 'waive'),
    ...waiverSentences(facts),
    ...struckSentences(policy),
    changeSentence(inventory),
    ...sizeSentences(facts),
    ...told(policy, 'merge').slice(0, 2),
  ];
}

/** The summary where no model wrote one; the report states the reason for the verdict by itself. */
export function templatedSummary(facts: ReportFacts): string {
  const worst = told(facts.policy, facts.policy.verdict).slice(0, 2);
  const { policy, inventory } = facts;
  return [
    `This change ${MEANING[policy.verdict]}.`,
    ...(policy.verdict === 'merge' ? [] : worst),
    changeSentence(inventory),
  ].join(' ');
}

/** A path as people read it: the names from the project to the package. */
export function pathText(path: readonly string[]): string {
  if (path.length === 0) return 'nothing leads to it';
  return path.map((location) => (location === '' ? 'root' : plain(nameOfLocation(location)))).join(' › ');
}

function told({ decisions }: PolicyReport, verdict: Verdict): readonly string[] {
  const mine = decisions.filter((decision) => decision.verdict === verdict);
  const sentences = mine.slice(0, MAX_TOLD).map(tell);
  const rest = mine.length - sentences.length;
  return rest > 0
    ? [...sentences, `${rest} more ${rest === 1 ? 'finding is' : 'findings are'} decided as ${verdict}.`]
    : sentences;
}

function tell({ finding, verdict, rule, reason }: Decision): string {
  const where = finding.dev ? 'in development only' : 'in production';
  const path = finding.path.length > 1 ? ` It came in by ${shorten(pathText(finding.path), 300)}.` : '';
  const severity = finding.severity === 'unknown' ? 'cannot be known' : finding.severity;
  return `${finding.claim.replace(/\.$/, '')} (${severity}, ${where}; ${verdict} by rule ${rule}).${path} ${reason}`;
}

function remedySentences({ remedies }: ReportFacts): readonly string[] {
  if (remedies === null) return [];
  const { holding, report } = remedies;
  const { unproven } = report.counts;
  const proven = holding.slice(0, MAX_REMEDIES_TOLD).map(({ says, proof }) => {
    const { before, after } = proof.high;
    const packages = proof.changeCount === 1 ? '1 package' : `${proof.changeCount} packages`;
    return `A proven remedy leaves ${after} of ${before} high findings and changes ${packages}: ${shorten(says, 300)}`;
  });
  const without = unproven === 1 ? '1 high finding' : `${unproven} high findings`;
  return unproven === 0 ? proven : [...proven, `No remedy is proven for ${without} in production.`];
}

function waiverSentences({ waivers }: ReportFacts): readonly string[] {
  if (waivers === null || waivers.holding.length === 0) return [];
  const count = waivers.holding.length;
  const days = Math.min(...waivers.holding.map(({ expiry }) => expiry.days));
  const proposed = count === 1 ? '1 waiver is' : `${count} waivers are`;
  return [`${proposed} proposed for development, for ${days} days before somebody looks again.`];
}

function struckSentences({ struckCount }: PolicyReport): readonly string[] {
  if (struckCount === 0) return [];
  const what = struckCount === 1 ? '1 finding was' : `${struckCount} findings were`;
  return [`${what} struck, because the files say otherwise; the verdict does not rest on them.`];
}

function changeSentence({ counts, base, head, direct }: InventoryReport): string {
  const total = counts.added + counts.changed + counts.moved + counts.removed;
  if (base === null) {
    return `There is nothing to compare with, so all ${counts.added} packages of ${plain(head.name)} count as added.`;
  }
  if (total === 0) return `Between ${plain(base.name)} and ${plain(head.name)} no package changes.`;
  const asked =
    direct.length === 0 ? '' : ` The project itself asks for ${direct.length} things differently.`;
  return (
    `Packages added: ${counts.added}, changed: ${counts.changed}, moved: ${counts.moved}, ` +
    `removed: ${counts.removed}.${asked}`
  );
}

function sizeSentences({ footprint }: ReportFacts): readonly string[] {
  if (footprint === null) return [];
  const { head, base } = footprint.totals;
  const before = base === null ? '' : `, where there were ${base.packages} before`;
  return [
    `The head installs ${head.packages} packages${before}; ${head.production} of them are used in production.`,
  ];
}
