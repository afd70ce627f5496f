import { z } from 'zod';
import { ASKING_SECTIONS } from '../tools/lockfile/amend';

/** Larger reports would take longer to prove again than anybody waits. */
export const MAX_REMEDIES = 20;
export const MAX_UNPROVEN = 200;
export const MAX_AMENDMENTS = 1_000;
const MAX_CHANGES = 50;
/** Names and locations are as long as a lock may have them; words are ours. */
const place = z.string().max(4_096);
const words = z.string().max(2_000);
const tally = z.int().nonnegative();
const FindingId = z.string().max(100);

const Amendment = z.union([
  z.strictObject({ op: z.literal('take'), location: place, from: place }),
  z.strictObject({
    op: z.literal('ask'),
    in: place,
    name: place,
    as: z.enum(ASKING_SECTIONS).nullable(),
    range: place.nullable(),
  }),
]);

/** A package that is not as it would be without the remedy. */
const RemedyChange = z.strictObject({
  change: z.enum(['added', 'changed', 'moved', 'removed']),
  package: place,
  location: place,
  before: place.nullable(),
  after: place.nullable(),
});
export type RemedyChange = z.infer<typeof RemedyChange>;

/** What the gate's own checks say of the head with the remedy in it. */
export const Proof = z.strictObject({
  /** High production findings that do not follow any more. */
  gone: z.array(FindingId).min(1).max(3_000),
  /** High findings of every kind, before and after; none of those after is new. */
  high: z.strictObject({ before: tally, after: tally }),
  changes: z.array(RemedyChange).max(MAX_CHANGES),
  /** Those that are not listed included. */
  changeCount: tally,
});
export type Proof = z.infer<typeof Proof>;

const REMEDY_ACTIONS = ['keep-base', 'undo-direct', 'override'] as const;

/** A change of the head that removes findings, with its proof. */
export const Remedy = z.strictObject({
  id: z.string().regex(/^remedy-[0-9a-f]{12}$/),
  action: z.enum(REMEDY_ACTIONS),
  /** The remedy in one sentence. */
  says: words,
  /** What changes in the lock; what nothing leads to any more goes by itself. */
  amendments: z.array(Amendment).min(1).max(MAX_AMENDMENTS),
  /** What has to stand under `overrides` in the package.json, which the lock does not record. */
  overrides: z.record(place, place),
  proof: Proof,
});
export type Remedy = z.infer<typeof Remedy>;

/** A finding for which nothing that was tried holds. */
const Unproven = z.strictObject({
  finding: FindingId,
  package: place,
  version: place.nullable(),
  why: words,
});
export type Unproven = z.infer<typeof Unproven>;

/** What the remedy agent hands on. */
export const RemedyReport = z.strictObject({
  remedies: z.array(Remedy).max(MAX_REMEDIES),
  /** "No remedy proven". */
  unproven: z.array(Unproven).max(MAX_UNPROVEN),
  /** Further findings without a remedy, by their ids alone. */
  alsoUnproven: z.array(FindingId).max(3_000),
  /** High production findings, those with a remedy among them, and those without. */
  counts: z.strictObject({ wanted: tally, remedied: tally, unproven: tally }),
});
export type RemedyReport = z.infer<typeof RemedyReport>;

/** How many changes of a proof are listed. */
export function listed(changes: readonly RemedyChange[]): RemedyChange[] {
  return changes.slice(0, MAX_CHANGES);
}
