import { z } from 'zod';
import { Struck } from '../tools/verify/verify';
import { Finding, FindingChange, FindingKind, SEVERITIES, Severity } from './finding';

/** From worst to best: the verdict on a change is the worst of the verdicts on its findings. */
export const VERDICTS = ['block', 'waive', 'merge'] as const;
/** What may happen to a change, or to one finding of it. */
export const Verdict = z.enum(VERDICTS);
export type Verdict = z.infer<typeof Verdict>;

const oneOrMore = <T extends z.ZodType>(type: T): z.ZodArray<T> => z.array(type).min(1).max(100);

/** A rule holds for a finding that meets every condition it states; a rule without conditions holds for all. */
export const RuleCondition = z.strictObject({
  kind: oneOrMore(FindingKind).optional(),
  check: oneOrMore(z.string()).optional(),
  severity: oneOrMore(Severity).optional(),
  change: oneOrMore(FindingChange).optional(),
  dev: z.boolean().optional(),
  /** Published names; a `*` at the end stands for any ending, so `@acme/*` is a scope. */
  package: oneOrMore(z.string().min(1)).optional(),
  version: oneOrMore(z.string().min(1)).optional(),
  /** Whether a waiver that was judged to hold is proposed for the finding. */
  waived: z.boolean().optional(),
  /** Whether a remedy that was proven removes the finding. */
  remedied: z.boolean().optional(),
});
export type RuleCondition = z.infer<typeof RuleCondition>;

/** One line of the policy: the first rule that holds for a finding decides it. */
export const PolicyRule = z.strictObject({
  id: z.string().regex(/^[a-z][a-z0-9-]{0,63}$/, 'must be lower-case letters, digits and dashes'),
  when: RuleCondition,
  verdict: Verdict,
  reason: z.string().min(1).max(500),
});
export type PolicyRule = z.infer<typeof PolicyRule>;

/** What a plan's step may set for the policy agent. */
export const PolicyOptions = z
  .strictObject({
    /** Tried before the default rules. */
    rules: z.array(PolicyRule).max(500).default([]),
    /** False leaves only the rules given here, and a block for what none of them decides. */
    defaults: z.boolean().default(true),
    /** Agents whose findings the verdict needs; one that is missing blocks, since silence is no evidence. */
    expect: z.array(z.string()).max(20).default(['licence', 'provenance', 'footprint']),
    /** Agent that held the findings against the files: without its output nothing is believed. Null believes them all. */
    verifiedBy: z.string().nullable().default('evaluator'),
    /** Agent that judged remedies and waivers: one that it did not judge is none. */
    judgedBy: z.string().default('evaluator'),
    /** Capability of the agent that is asked for the path of each high finding that was published; null asks nobody. */
    paths: z.string().min(1).max(100).nullable().default(null),
    /** How long the next replies are waited for. */
    replyTimeoutMs: z.int().min(1).max(600_000).default(20_000),
    /** Key of the shared context under which the verdicts are merged; null merges none. */
    verdicts: z.string().min(1).max(200).nullable().default(null),
  })
  .prefault({});
export type PolicyOptions = z.infer<typeof PolicyOptions>;

/** What the policy says about one finding. */
export const Decision = z.strictObject({
  finding: Finding,
  verdict: Verdict,
  rule: z.string(),
  reason: z.string(),
  /** The waiver that is proposed for it, and the remedy that removes it, where one was judged to hold. */
  waiver: z.string().nullable(),
  remedy: z.string().nullable(),
});
export type Decision = z.infer<typeof Decision>;

const tally = z.int().nonnegative();

/** The verdict on a change, with the reason for each finding. */
export const PolicyReport = z.strictObject({
  verdict: Verdict,
  /** One sentence that says what decided. */
  reason: z.string(),
  /** Worst first. */
  decisions: z.array(Decision),
  counts: z.strictObject({ block: tally, waive: tally, merge: tally }),
  severities: z.record(z.enum(SEVERITIES), tally),
  /** Agents whose findings were expected and not there. */
  missing: z.array(z.string()),
  /** Findings that their agents counted but did not list; each list is cut after the worst. */
  omitted: tally,
  /** Findings that the files contradict; none of them is decided upon. */
  struck: z.array(Struck),
  /** How many were struck, those that are not listed included. */
  struckCount: tally,
});
export type PolicyReport = z.infer<typeof PolicyReport>;
