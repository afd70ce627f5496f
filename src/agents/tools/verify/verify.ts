import { z } from 'zod';
import { Json, JsonObject } from '../../../protocol/json';
import type { PreviousAgentOutput } from '../../base-agent';
import { Pacer } from '../lockfile/pacer';
import {
  type Contradiction,
  type Documents,
  Pointer,
  Standing,
  contradictionOf,
  standingAt,
} from './evidence';

/** Struck findings beyond this many are counted, not listed. */
const MAX_STRUCK = 200;
const MAX_SHOWN_CHARS = 300;
const MAX_REASON_CHARS = 1_000;
/** Struck findings told in words. */
const MAX_LINES = 50;

/** What every finding has, whoever makes it and whatever it is about. */
const AnyFinding = z.looseObject({
  id: z.string().min(1),
  evidence: z
    .array(
      z.union([
        z.strictObject({ file: z.string(), pointer: Pointer, value: Json }),
        z.strictObject({ file: z.string(), pointer: Pointer, absent: z.literal(true) }),
      ]),
    )
    .min(1)
    .max(50),
});

const Reported = z.looseObject({ findings: z.array(Json), omitted: z.int().nonnegative().catch(0) });

/** A finding that is false, and the place that shows it. */
export const Struck = z.strictObject({
  id: z.string(),
  agent: z.string(),
  /** What the finding said, shortened. */
  claim: z.string(),
  reason: z.string(),
  file: z.string(),
  pointer: z.string(),
  /** What would stand there if the finding were true. */
  expected: Standing,
  /** What stands there. */
  found: Standing,
});
export type Struck = z.infer<typeof Struck>;

/** The findings that stand, by agent, and those that do not. */
export const Verification = z.object({
  verdict: z.enum(['pass', 'fail']).describe('fail where a finding was struck'),
  score: z.number().min(0).max(1).nullable().describe('Share of the findings that stand; null without any'),
  text: z.string().describe('The verdict in words'),
  checked: z.int().nonnegative(),
  struck: z.array(Struck).max(MAX_STRUCK),
  struckUnlisted: z.int().nonnegative().describe('Struck findings beyond those listed'),
  reports: z
    .record(z.string(), z.object({ findings: z.array(JsonObject), omitted: z.int().nonnegative() }))
    .describe('What stands, by the agent that found it, and how many findings it did not list'),
  tally: z
    .record(z.string(), z.int().nonnegative())
    .optional()
    .describe('What stands as numbers, where the facts say what to count; rules of a plan can ask for them'),
});
export type Verification = z.infer<typeof Verification>;

/** What findings are held against. */
export interface Facts {
  readonly documents: Documents;
  /** What else is wrong with a finding whose evidence holds; null where its claim follows from the documents. */
  readonly claims?: (finding: JsonObject) => Promise<Contradiction | null>;
  /** The place a finding is about, where its evidence does not say. */
  readonly placeOf?: (finding: Json) => Pick<Contradiction, 'file' | 'pointer'>;
  /** Counts what stands; large outputs never travel with a run, but numbers that a plan asks for do. */
  readonly tally?: (standing: readonly JsonObject[]) => Readonly<Record<string, number>>;
}

interface Report {
  readonly agent: string;
  readonly findings: readonly Json[];
  readonly omitted: number;
}

/** The latest findings of these agents, or of every agent that has any; an output without findings is none. */
export async function reportsOf(
  previous: readonly PreviousAgentOutput[],
  agents: readonly string[] | undefined,
): Promise<readonly Report[]> {
  // The latest, should a step have run twice: a later loop may ask an agent again.
  const latest = new Map(previous.map((output) => [output.agent, output]));
  const wanted = [...latest.values()].filter(({ agent }) => agents?.includes(agent) ?? true);
  const read = await Promise.all(
    wanted.map(async (output) => [output.agent, Reported.safeParse(await output.read())] as const),
  );
  return read.flatMap(([agent, { success, data }]) => (success ? [{ agent, ...data }] : []));
}

/** Holds every finding against the facts and hands on what stands. Never asks a model. */
export async function verify(reports: readonly Report[], facts: Facts): Promise<Verification> {
  const pacer = new Pacer();
  const struck: Struck[] = [];
  const standing: Verification['reports'] = {};
  for (const { agent, findings, omitted } of reports) {
    const kept: JsonObject[] = [];
    for (const finding of findings) {
      const wrong = await contradictionIn(finding, facts);
      if (wrong === null) kept.push(finding as JsonObject);
      else struck.push({ ...said(finding), agent, ...bounded(wrong) });
      if (pacer.due()) await pacer.pause();
    }
    standing[agent] = { findings: kept, omitted };
  }
  const checked = reports.reduce((sum, { findings }) => sum + findings.length, 0);
  const stand = checked - struck.length;
  const tally = facts.tally?.(Object.values(standing).flatMap(({ findings }) => findings));
  return {
    verdict: struck.length === 0 ? 'pass' : 'fail',
    score: checked === 0 ? null : Math.round((stand / checked) * 1_000) / 1_000,
    text: inWords(checked, struck),
    checked,
    struck: struck.slice(0, MAX_STRUCK),
    struckUnlisted: Math.max(0, struck.length - MAX_STRUCK),
    reports: standing,
    ...(tally === undefined ? {} : { tally }),
  };
}

async function contradictionIn(finding: Json, facts: Facts): Promise<Contradiction | null> {
  const { documents, claims } = facts;
  const parsed = AnyFinding.safeParse(finding);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const where = issue === undefined || issue.path.length === 0 ? '' : `${issue.path.join('.')}: `;
    const reason = `it is no finding, ${where}${issue?.message ?? 'not as expected'}`;
    return notAFinding(finding, facts, reason);
  }
  for (const evidence of parsed.data.evidence) {
    const wrong = contradictionOf(evidence, documents);
    if (wrong !== null) return wrong;
  }
  return (await claims?.(finding as JsonObject)) ?? null;
}

/** What cites nothing is answered with the place it is about, or else with the whole of the first document. */
function notAFinding(finding: Json, { documents, placeOf }: Facts, reason: string): Contradiction {
  const [first = ''] = documents.keys();
  const place = placeOf?.(finding) ?? { file: first, pointer: '' };
  return { reason, ...place, expected: { is: 'evidence' }, found: standingAt(documents, place) };
}

/** Reasons and names repeat what an agent said, which may be as long as its output. */
function bounded({ reason, file, ...rest }: Contradiction): Contradiction {
  return { ...rest, reason: reason.slice(0, MAX_REASON_CHARS), file: file.slice(0, MAX_SHOWN_CHARS) };
}

/** Who made it is not believed in what it says of itself, but it must be named somehow. */
function said(finding: Json): Pick<Struck, 'id' | 'claim'> {
  const { id, claim } = Object(finding) as { readonly id?: Json; readonly claim?: Json };
  const text = (value: Json | undefined): string =>
    (typeof value === 'string' ? value : 'not said').slice(0, MAX_SHOWN_CHARS);
  return { id: text(id), claim: text(claim) };
}

function inWords(checked: number, struck: readonly Struck[]): string {
  const of = `${checked} ${checked === 1 ? 'finding' : 'findings'}`;
  if (struck.length === 0) return `pass: all of ${of} stand`;
  const lines = struck
    .slice(0, MAX_LINES)
    .map(({ id, agent, reason, file, pointer }) => `- ${id} of ${agent}: ${reason} (${file} ${pointer})`);
  const more = struck.length > MAX_LINES ? [`- and ${struck.length - MAX_LINES} more`] : [];
  return [`fail: ${struck.length} of ${of} struck`, ...lines, ...more].join('\n');
}
