import type { AgentContext } from '../base-agent';
import { isAmendable } from '../tools/lockfile/amend';
import { Pacer } from '../tools/lockfile/pacer';
import type { Analysis } from './analysis';
import { type Candidate, Candidates } from './candidates';
import { plain } from './cite';
import type { Finding } from './finding';
import type { Rejected } from './judgement';
import { type Proven, Proving } from './proving';
import { MAX_REMEDIES, MAX_UNPROVEN, Remedy, type RemedyReport, type Unproven } from './remedy-schema';

const MAX_WHY_CHARS = 1_500;
const MAX_TOLD = 6;

/** What remedies are looked for, and what an evaluator sent back. */
export interface Search {
  readonly analysis: Analysis;
  readonly wanted: readonly Finding[];
  readonly rejected: readonly Rejected[];
}

/** For each finding the first candidate that is proven and was not sent back; one remedy may do for many findings. */
export async function findRemedies(
  { analysis, wanted, rejected }: Search,
  context: Pick<AgentContext, 'signal' | 'heartbeat'>,
): Promise<RemedyReport> {
  const proving = await Proving.of(analysis, wanted, 'search');
  const candidates = new Candidates(analysis);
  const pacer = new Pacer();
  const sentBack = new Map(rejected.map(({ id, reason }) => [id, reason]));
  const tried = new Map<string, Proven>();
  const remedies: Remedy[] = [];
  const remedied = new Set<string>();
  const unproven: Unproven[] = [];
  for (const finding of wanted) {
    if (remedied.has(finding.id)) continue;
    if (pacer.due()) await pacer.pause();
    context.signal.throwIfAborted();
    context.heartbeat(`looking for a remedy for ${plain(finding.package)}`);
    const found = await remedyFor(finding, {
      analysis,
      candidates,
      proving,
      sentBack,
      tried,
      full: remedies.length,
    });
    if (typeof found === 'string') {
      const { id, package: name, version } = finding;
      unproven.push({ finding: id, package: name, version, why: found.slice(0, MAX_WHY_CHARS) });
      continue;
    }
    remedies.push(found);
    for (const id of found.proof.gone) remedied.add(id);
  }
  // What a later remedy removes as well is no longer without one.
  const without = unproven.filter(({ finding }) => !remedied.has(finding));
  return {
    remedies,
    unproven: without.slice(0, MAX_UNPROVEN),
    alsoUnproven: without.slice(MAX_UNPROVEN).map(({ finding }) => finding),
    counts: { wanted: wanted.length, remedied: remedied.size, unproven: without.length },
  };
}

interface Trying {
  readonly analysis: Analysis;
  readonly candidates: Candidates;
  readonly proving: Proving;
  readonly sentBack: ReadonlyMap<string, string>;
  /** By candidate, since findings about one package share theirs. */
  readonly tried: Map<string, Proven>;
  /** Remedies so far. */
  readonly full: number;
}

async function remedyFor(finding: Finding, trying: Trying): Promise<Remedy | string> {
  const { analysis, candidates, proving, sentBack, tried } = trying;
  if (!isAmendable(analysis.head.graph))
    return 'The lock does not say what the project asks for, so no change of it can be proven.';
  if (trying.full >= MAX_REMEDIES) return `Not tried: there are ${MAX_REMEDIES} remedies already.`;
  if (proving.isSpent) return 'Not tried: the work that one run may take is done.';
  const why: string[] = [];
  for (const candidate of candidates.for(finding)) {
    const back = sentBack.get(candidate.id);
    if (back !== undefined) {
      why.push(`${candidate.action}: sent back, ${plain(back)}`);
      continue;
    }
    const proven = tried.get(candidate.id) ?? (proving.isSpent ? SPENT : await proving.prove(candidate));
    tried.set(candidate.id, proven);
    if ('proof' in proven && proven.proof.gone.includes(finding.id)) return remedyOf(candidate, proven.proof);
    why.push(`${candidate.action}: ${'why' in proven ? proven.why : 'the finding is still there'}`);
  }
  if (why.length === 0)
    return 'Nothing in the two locks offers another way: no earlier version, no new wish.';
  return why.slice(0, MAX_TOLD).join('; ');
}

const SPENT: Proven = { why: 'not tried, the work that one run may take is done' };

function remedyOf({ id, action, says, amendments, overrides }: Candidate, proof: Remedy['proof']): Remedy {
  return Remedy.parse({ id, action, says, amendments, overrides, proof });
}
