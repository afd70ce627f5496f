import type { Finding, FindingKind } from './finding';

/** How long a waiver of one kind of finding may last before somebody looks again. */
export interface ExpiryRule {
  readonly id: string;
  readonly checks?: readonly string[];
  readonly kinds?: readonly FindingKind[];
  readonly days: number;
  /** What would end the finding itself, so that no waiver is needed any more. */
  readonly endedBy: string;
}

/** The first that fits counts. Days are proposals: whoever signs the waiver writes down the date. */
const EXPIRY_RULES: readonly ExpiryRule[] = [
  {
    id: 'other-bytes',
    checks: [
      'integrity-changed',
      'integrity-conflict',
      'integrity-removed',
      'integrity-malformed',
      'source-changed',
    ],
    days: 7,
    endedBy: 'a lock that has the bytes and the source of the published version again',
  },
  {
    id: 'script',
    kinds: ['install-script'],
    days: 90,
    endedBy: 'a version that runs no script when it is installed',
  },
  {
    id: 'origin',
    kinds: ['provenance'],
    days: 30,
    endedBy: 'an entry that names a known source and an integrity',
  },
  {
    id: 'licence',
    kinds: ['licence'],
    days: 180,
    endedBy: 'a version under another licence',
  },
];

const OTHERWISE: ExpiryRule = {
  id: 'any',
  days: 30,
  endedBy: 'a version of which the check finds nothing',
};

/** The rule that says how long a waiver of this finding may last. */
export function expiryOf({ check, kind }: Pick<Finding, 'check' | 'kind'>): ExpiryRule {
  const fits = ({ checks, kinds }: ExpiryRule): boolean =>
    (checks?.includes(check) ?? true) && (kinds?.includes(kind) ?? true);
  return EXPIRY_RULES.find(fits) ?? OTHERWISE;
}
