import { diffLocks } from '../tools/lockfile/diff';
import { type Amendment, amend } from '../tools/lockfile/amend';
import { type Overrides, Wishes } from '../tools/lockfile/wishes';
import type { Analysis } from './analysis';
import { countOf, plain } from './cite';
import type { Finding } from './finding';
import { highFindings } from './recomputed';
import { type Proof, type RemedyChange, listed } from './remedy-schema';

/** Packages looked at in all proofs of one search together: ten proofs with the largest locks, about half a minute. */
const MAX_WORK = 600_000;
const MAX_PROOFS = 100;
/** Whoever judges proves each remedy again, then all together, and each beside the others where that fails. */
const JUDGE_SHARE = 3;

/** What is proven: amendments of the head, and what overrides stand beside them. */
export interface Provable {
  readonly amendments: readonly Amendment[];
  readonly overrides: Overrides;
}

/** A proof, or in words why there is none. */
export type Proven = { readonly proof: Proof } | { readonly why: string };

/** Proves remedies: recomputes the dependency graph and everything that the gate finds with the remedy in the head. */
export class Proving {
  private proofs = 0;

  private constructor(
    private readonly analysis: Analysis,
    private readonly wanted: ReadonlySet<string>,
    private readonly known: {
      readonly wishes: Wishes;
      readonly high: ReadonlySet<string>;
      readonly share: number;
    },
  ) {}

  /** `wanted` are the findings that remedies are looked for. */
  static async of(analysis: Analysis, wanted: readonly Finding[], who: 'search' | 'judge'): Promise<Proving> {
    const wishes = await Wishes.of(analysis.head, analysis.base);
    const high = new Set((await highFindings(analysis)).map(({ id }) => id));
    return new Proving(analysis, new Set(wanted.map(({ id }) => id)), {
      wishes,
      high,
      share: who === 'judge' ? JUDGE_SHARE : 1,
    });
  }

  /** Whether the bounds leave no more room: neither a hostile nor a huge lock may keep an agent at work. */
  get isSpent(): boolean {
    const proofs = this.proofs / this.known.share;
    return proofs >= MAX_PROOFS || proofs * this.analysis.head.graph.nodes.length >= MAX_WORK;
  }

  async prove({ amendments, overrides }: Provable): Promise<Proven> {
    this.proofs += 1;
    const { base } = this.analysis;
    const head = await amend(this.analysis, amendments);
    if (typeof head === 'string') return { why: head };
    const broken = await this.known.wishes.brokenIn(head, overrides);
    if (broken !== null) return { why: plain(broken) };
    const changes = await diffLocks(base, head);
    const high = await highFindings({ ...this.analysis, head, changes });
    const fresh = high.filter(({ id }) => !this.known.high.has(id));
    const [first] = fresh;
    if (first !== undefined)
      return {
        why: `it brings ${countOf(fresh.length, 'new high finding')}: ${first.check} of ${plain(first.package)}`,
      };
    const left = new Set(high.map(({ id }) => id));
    const gone = [...this.wanted].filter((id) => !left.has(id));
    if (gone.length === 0) return { why: 'the finding follows from the changed lock as well' };
    const all = await this.changesTo(head);
    const counts = { before: this.known.high.size, after: left.size };
    return { proof: { gone, high: counts, changes: listed(all), changeCount: all.length } };
  }

  /** What the remedy changes in the head itself. */
  private async changesTo(amended: Analysis['head']): Promise<readonly RemedyChange[]> {
    const changes = await diffLocks(this.analysis.head, amended);
    return changes.map(({ change, before, after }) => ({
      change,
      package: (after ?? before)?.entry.packageName ?? '',
      location: (after ?? before)?.entry.location ?? '',
      before: before?.entry.version ?? null,
      after: after?.entry.version ?? null,
    }));
  }
}
