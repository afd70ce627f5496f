import type { AgentContext } from '../base-agent';
import { type Amendment, placeOf } from '../tools/lockfile/amend';
import { sameJson } from '../tools/verify/evidence';
import type { Analysis } from './analysis';
import type { Finding } from './finding';
import type { Judged, Rejected } from './judgement';
import { type Provable, Proving } from './proving';
import type { Remedy, RemedyReport } from './remedy-schema';

/** What is judged: the report, against the files and the findings that want a remedy. */
export interface JudgedRemedies {
  readonly analysis: Analysis;
  readonly report: RemedyReport;
  readonly wanted: readonly Finding[];
}

/**
 * Proves every remedy again, from the files and its amendments alone, and then all of them together: what holds alone may
 * contradict another. Of two that do, the later goes back.
 */
export async function judgeRemedies(
  { analysis, report, wanted }: JudgedRemedies,
  context: Pick<AgentContext, 'signal' | 'heartbeat'>,
): Promise<Judged> {
  const proving = await Proving.of(analysis, wanted, 'judge');
  const rejected: Rejected[] = [];
  const alone: Remedy[] = [];
  for (const remedy of report.remedies) {
    context.signal.throwIfAborted();
    context.heartbeat(`proving ${remedy.id} again`);
    const reason = alone.some(({ id }) => id === remedy.id)
      ? 'it is listed twice'
      : await reasonAgainst(remedy, proving);
    if (reason === null) alone.push(remedy);
    else rejected.push({ id: remedy.id, reason });
  }
  context.heartbeat('proving them together');
  const together = await provenTogether(alone, proving, context.signal);
  const spoken = new Set([
    ...report.remedies.flatMap(({ proof }) => proof.gone),
    ...report.unproven.map(({ finding }) => finding),
    ...report.alsoUnproven,
  ]);
  return {
    holds: together.holds,
    rejected: [...rejected, ...together.rejected],
    leftOut: wanted.map(({ id }) => id).filter((id) => !spoken.has(id)),
  };
}

async function reasonAgainst(remedy: Remedy, proving: Proving): Promise<string | null> {
  if (proving.isSpent) return 'it could not be proven again within the work that one run may take';
  const proven = await proving.prove(remedy);
  if ('why' in proven) return proven.why;
  if (sameJson(proven.proof, remedy.proof)) return null;
  const { gone, high, changeCount } = proven.proof;
  const stray = remedy.proof.gone.find((id) => !gone.includes(id));
  if (stray !== undefined) return `${stray} follows from the changed lock as well`;
  return `its proof is another: ${gone.length} findings go, ${high.after} high ones stay, ${changeCount} packages change`;
}

async function provenTogether(
  remedies: readonly Remedy[],
  proving: Proving,
  signal: AbortSignal,
): Promise<Omit<Judged, 'leftOut'>> {
  const all = union(remedies);
  if (remedies.length < 2 || (typeof all !== 'string' && (await failureOf(all, remedies, proving)) === null))
    return { holds: remedies.map(({ id }) => id), rejected: [] };
  const kept: Remedy[] = [];
  const rejected: Rejected[] = [];
  for (const remedy of remedies) {
    signal.throwIfAborted();
    const some = [...kept, remedy];
    const one = union(some);
    const failure = typeof one === 'string' ? one : await failureOf(one, some, proving);
    if (failure === null || kept.length === 0) kept.push(remedy);
    else
      rejected.push({ id: remedy.id, reason: `beside ${kept.map(({ id }) => id).join(', ')}: ${failure}` });
  }
  return { holds: kept.map(({ id }) => id), rejected };
}

async function failureOf(
  all: Provable,
  remedies: readonly Remedy[],
  proving: Proving,
): Promise<string | null> {
  if (proving.isSpent) return 'they could not be proven together within the work that one run may take';
  const proven = await proving.prove(all);
  if ('why' in proven) return proven.why;
  const left = remedies.flatMap(({ proof }) => proof.gone).find((id) => !proven.proof.gone.includes(id));
  return left === undefined ? null : `${left} follows from the lock that both change`;
}

/** All amendments at once, or where two of them contradict each other. */
function union(remedies: readonly Remedy[]): Provable | string {
  const amendments = new Map<string, Amendment>();
  const overrides = new Map<string, string>();
  for (const remedy of remedies) {
    for (const amendment of remedy.amendments) {
      const place = placeOf(amendment);
      const other = amendments.get(place);
      if (other !== undefined && !sameJson(other, amendment))
        return `both change ${place}, each in its own way`;
      amendments.set(place, amendment);
    }
    for (const [name, version] of Object.entries(remedy.overrides)) {
      if ((overrides.get(name) ?? version) !== version)
        return `both pin ${name}, one to ${version}, the other to ${overrides.get(name)}`;
      overrides.set(name, version);
    }
  }
  return { amendments: [...amendments.values()], overrides: Object.fromEntries(overrides) };
}
