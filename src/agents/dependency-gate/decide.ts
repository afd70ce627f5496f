import type { Struck } from '../tools/verify/verify';
import { type Finding, SEVERITIES, compareFindings } from './finding';
import { DEFAULT_RULES } from './policy-rules';
import {
  type Decision,
  type PolicyOptions,
  type PolicyReport,
  type PolicyRule,
  type RuleCondition,
  VERDICTS,
  type Verdict,
} from './policy-schema';

const NO_RULE: PolicyRule = {
  id: 'no-rule',
  when: {},
  verdict: 'block',
  reason: 'No rule of this policy says anything about it.',
};

/** What the finding agents brought, and who of them brought nothing. */
export interface Brought {
  readonly findings: readonly Finding[];
  readonly missing: readonly string[];
  readonly omitted: number;
  /** Findings that the files contradict: they are told, and decide nothing. */
  readonly struck: readonly Struck[];
  readonly struckCount: number;
  readonly proposed?: Proposed;
  /** By finding, what decides it before any rule is asked. */
  readonly objections?: ReadonlyMap<string, PolicyRule>;
}

/** What was judged to hold, by the finding it is for. */
export interface Proposed {
  readonly waivers: ReadonlyMap<string, string>;
  readonly remedies: ReadonlyMap<string, string>;
}

const NOTHING_PROPOSED: Proposed = { waivers: new Map(), remedies: new Map() };

/** Decides every finding by the first rule that holds; the worst decision is the verdict. */
export function decide(brought: Brought, options: PolicyOptions): PolicyReport {
  const {
    findings,
    missing,
    omitted,
    struck,
    struckCount,
    proposed = NOTHING_PROPOSED,
    objections,
  } = brought;
  const rules = [...options.rules, ...(options.defaults ? DEFAULT_RULES : []), NO_RULE];
  const decisions = findings
    .map((finding) => {
      const objection = objections?.get(finding.id);
      return decisionOn(finding, objection === undefined ? rules : [objection], proposed);
    })
    .sort(worstFirst);
  const counts = { block: 0, waive: 0, merge: 0 };
  const severities = { high: 0, unknown: 0, low: 0, info: 0 };
  for (const { verdict, finding } of decisions) {
    counts[verdict]++;
    severities[finding.severity]++;
  }
  const worst: Verdict = decisions[0]?.verdict ?? 'merge';
  // Findings that were cut off may be what a rule blocks, so somebody has to look at them.
  const bounded: Verdict = omitted > 0 && worst === 'merge' ? 'waive' : worst;
  const verdict: Verdict = missing.length > 0 ? 'block' : bounded;
  return {
    verdict,
    reason: reasonFor({ missing, omitted, decisions, counts }),
    decisions,
    counts,
    severities: Object.fromEntries(
      SEVERITIES.map((one) => [one, severities[one]]),
    ) as PolicyReport['severities'],
    missing: [...missing],
    omitted,
    struck: [...struck],
    struckCount,
  };
}

/** Whether every condition that the rule states holds for the finding. */
export function ruleHolds(
  when: RuleCondition,
  finding: Finding,
  { waivers, remedies }: Proposed = NOTHING_PROPOSED,
): boolean {
  return (
    (when.waived === undefined || when.waived === waivers.has(finding.id)) &&
    (when.remedied === undefined || when.remedied === remedies.has(finding.id)) &&
    includes(when.kind, finding.kind) &&
    includes(when.check, finding.check) &&
    includes(when.severity, finding.severity) &&
    includes(when.change, finding.change) &&
    (when.dev === undefined || when.dev === finding.dev) &&
    (when.version === undefined || (finding.version !== null && when.version.includes(finding.version))) &&
    (when.package === undefined || when.package.some((pattern) => matchesName(pattern, finding.package)))
  );
}

function decisionOn(finding: Finding, rules: readonly PolicyRule[], proposed: Proposed): Decision {
  const { verdict, id, reason } = rules.find(({ when }) => ruleHolds(when, finding, proposed)) ?? NO_RULE;
  const { waivers, remedies } = proposed;
  return {
    finding,
    verdict,
    rule: id,
    reason,
    waiver: waivers.get(finding.id) ?? null,
    remedy: remedies.get(finding.id) ?? null,
  };
}

function includes<T>(allowed: readonly T[] | undefined, value: T): boolean {
  return allowed === undefined || allowed.includes(value);
}

function matchesName(pattern: string, name: string): boolean {
  // `*` alone is the name of findings that sum up many packages, and a rule for every package.
  return pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : pattern === name;
}

function worstFirst(a: Decision, b: Decision): number {
  return VERDICTS.indexOf(a.verdict) - VERDICTS.indexOf(b.verdict) || compareFindings(a.finding, b.finding);
}

interface Decided {
  readonly missing: readonly string[];
  readonly omitted: number;
  readonly decisions: readonly Decision[];
  readonly counts: PolicyReport['counts'];
}

function reasonFor({ missing, omitted, decisions, counts }: Decided): string {
  if (missing.length > 0)
    return `Nothing came from ${missing.join(', ')}, so nothing can be said for this change.`;
  const [worst] = decisions;
  if (worst === undefined) return 'Nothing was found.';
  const found = (count: number): string => (count === 1 ? '1 finding' : `${count} findings`);
  switch (worst.verdict) {
    case 'block':
      return `${found(counts.block)} must be resolved first, by rule ${rulesOf(decisions, 'block')}.`;
    case 'waive':
      return `${found(counts.waive)} may pass once somebody answers for it, by rule ${rulesOf(decisions, 'waive')}.`;
    case 'merge':
      if (omitted > 0)
        return `${found(omitted)} are too many to list and have not been looked at one by one.`;
      return `${found(counts.merge)} noted, none of which stands in the way.`;
  }
}

function rulesOf(decisions: readonly Decision[], verdict: Verdict): string {
  return [...new Set(decisions.filter((one) => one.verdict === verdict).map(({ rule }) => rule))].join(', ');
}
