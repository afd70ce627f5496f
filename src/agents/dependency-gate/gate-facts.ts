import type { Json, JsonObject } from '../../protocol/json';
import type { AgentContext, AgentTask } from '../base-agent';
import { type Contradiction, type Documents, sameJson, standingAt } from '../tools/verify/evidence';
import type { Facts } from '../tools/verify/verify';
import { type Analysis, analyse } from './analysis';
import { plain } from './cite';
import { type Evidence, Finding, type FindingDraft, withId } from './finding';
import { PackageFacts } from './package-facts';
import { Recomputed } from './recomputed';
import { tallyOf } from './standing';

/**
 * What the gate's findings are held against: the two lock files and the measured sizes as they were given to the run,
 * and what the gate's own checks find in them. Nothing that an agent said is taken over.
 */
export async function gateFacts(task: AgentTask, context: AgentContext): Promise<Facts> {
  const analysis = await analyse(task, context);
  const documents = documentsOf(analysis);
  const packages = new PackageFacts(analysis, documents);
  const recomputed = new Recomputed(analysis);
  return {
    documents,
    placeOf: (finding) => packages.placeOf(locationOf(finding)),
    tally: tallyOf,
    claims: async (given) => await contradictionIn(given, { documents, packages, recomputed }),
  };
}

interface Holding {
  readonly documents: Documents;
  readonly packages: PackageFacts;
  readonly recomputed: Recomputed;
}

function documentsOf({ head, base, installed }: Analysis): Documents {
  const documents = new Map<string, Json>([['head', head.graph.lock.document]]);
  if (base !== null) documents.set('base', base.graph.lock.document);
  if (installed !== null) documents.set('installed', installed);
  return documents;
}

function locationOf(finding: Json): string {
  const { location } = Object(finding) as { readonly location?: Json };
  return typeof location === 'string' ? location : '';
}

async function contradictionIn(given: JsonObject, holding: Holding): Promise<Contradiction | null> {
  const { documents, packages, recomputed } = holding;
  const parsed = Finding.safeParse(given);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const reason = `it is no finding of this gate, ${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`;
    const place = packages.placeOf(locationOf(given));
    return { ...place, reason, expected: { is: 'a finding' }, found: standingAt(documents, place) };
  }
  const finding = parsed.data;
  const wrong = packages.contradictionOf(finding);
  if (wrong !== null) return wrong;
  const truths = await recomputed.at(finding.kind, finding.location);
  const truth = truths.find((one) => isSameCheck(one, finding));
  return truth === undefined
    ? unfounded(finding, { truths, documents })
    : differing(finding, { truth, documents });
}

/** `version` as well: a dependency that is missing has none, and neither has what sums up many packages. */
function isSameCheck(one: FindingDraft, other: FindingDraft): boolean {
  return one.check === other.check && one.package === other.package && one.version === other.version;
}

interface Against {
  readonly documents: Documents;
}

/** The check that the finding names finds nothing there; perhaps another one does. */
function unfounded(
  finding: Finding,
  { truths, documents }: Against & { truths: readonly FindingDraft[] },
): Contradiction {
  const others = [...new Set(truths.map(({ check }) => check))].join(', ');
  const instead = others === '' ? '' : `; what does is ${others}`;
  const reason = `${finding.kind}/${finding.check} does not follow from what stands there${instead}`;
  return at(firstOf(finding), { reason, expected: `what ${finding.check} follows from`, documents });
}

/** The check does find something there, but not what the finding says of it. */
function differing(
  finding: Finding,
  { truth, documents }: Against & { truth: FindingDraft },
): Contradiction | null {
  const whole = withId(truth);
  for (const field of ['id', 'severity', 'change', 'dev', 'claim'] as const) {
    if (finding[field] === whole[field]) continue;
    const reason = `its ${field} is ${told(finding[field])}, but what stands there makes it ${told(whole[field])}`;
    return at(firstOf(finding), {
      reason,
      expected: `what ${field} ${told(finding[field])} follows from`,
      documents,
    });
  }
  if (!sameJson(finding.path, truth.path)) {
    const reason = `its path is not the one by which the package came in, ${told(truth.path.join(' > '))}`;
    return at(firstOf(finding), { reason, expected: 'what its path follows from', documents });
  }
  const stray = finding.evidence.find((one) => !isAmong(one, truth.evidence));
  const left = truth.evidence.find((one) => !isAmong(one, finding.evidence));
  const place = stray ?? left;
  if (place === undefined) return null;
  const reason =
    stray === undefined
      ? 'it leaves out evidence its check rests on'
      : 'its check does not rest on this place';
  return at(place, { reason, expected: `evidence of ${finding.check}`, documents });
}

function isAmong(evidence: Evidence, all: readonly Evidence[]): boolean {
  return all.some((one) => sameJson(one, evidence));
}

function firstOf({ evidence: [first] }: Finding): Pick<Evidence, 'file' | 'pointer'> {
  return first ?? { file: 'head', pointer: '' };
}

function at(
  { file, pointer }: Pick<Evidence, 'file' | 'pointer'>,
  { reason, expected, documents }: Against & { readonly reason: string; readonly expected: string },
): Contradiction {
  const place = { file, pointer };
  return { ...place, reason, expected: { is: expected }, found: standingAt(documents, place) };
}

function told(value: string | boolean): string {
  return typeof value === 'string' ? JSON.stringify(plain(value)) : String(value);
}
