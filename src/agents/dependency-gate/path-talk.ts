import { z } from 'zod';
import { AppError } from '../../protocol/failures';
import type { JsonObject } from '../../protocol/json';
import { LIMITS } from '../../protocol/limits';
import type { Predicate } from '../../protocol/predicate';
import type { AgentContext } from '../base-agent';
import { compareFindings, type Finding } from './finding';
import type { PolicyRule } from './policy-schema';

const HIGH_FINDINGS = 'finding.*.high';

/** What a finding agent says of a finding: the evidence stands in its report, the path is for whoever asks. */
const SaidFinding = z.object({ id: z.string() });

/** How did the package at this place come in? Each says how many are asked, so that whoever answers knows the last. */
const PathRequest = z.strictObject({ finding: z.string(), location: z.string(), of: z.int().positive() });
/** Said in place of requests where there are none. */
const NothingToAsk = z.strictObject({ of: z.literal(0) });
export const PathQuestion = z.union([PathRequest, NothingToAsk]);

/** Null where the lock has nothing at that place. */
const PathReply = z.strictObject({ path: z.array(z.string()), dev: z.boolean() }).nullable();
export type PathReply = z.infer<typeof PathReply>;

/** What a policy's attempt has heard and then counted as read. */
const Noted = z.object({ heard: z.array(z.string()) });

const UNHEARD: PolicyRule = {
  id: 'unheard',
  when: {},
  verdict: 'block',
  reason: 'It was not published to the team, so nobody was asked how it came in.',
};
const CONTRADICTED: PolicyRule = {
  id: 'path-contradicted',
  when: {},
  verdict: 'block',
  reason: 'The dependency graph names another way by which it came in.',
};

/** Publishes every finding of a report, in its order, to `finding.KIND.SEVERITY`; answers the report. */
export async function publishing<Report extends { readonly findings: readonly Finding[] }>(
  report: Report,
  { bus }: AgentContext,
): Promise<Report> {
  const sent = report.findings.map((finding) =>
    bus.publish(`finding.${finding.kind}.${finding.severity}`, saidOf(finding)),
  );
  await Promise.all(sent);
  return report;
}

function saidOf({ id, check, package: name, version, location, change, dev }: Finding): JsonObject {
  return { id, check, package: name, version, location, change, dev };
}

/** Who is asked, and for how long an answer is waited for. */
export interface Asking {
  readonly paths: string;
  readonly replyTimeoutMs: number;
}

/**
 * What stands against a high finding before any rule is asked, by finding: that nobody published it, or that the graph does
 * not lead to it as it says. Throws MESSAGE_TIMEOUT where nobody answers.
 */
export async function objectionsTo(
  findings: readonly Finding[],
  asking: Asking,
  context: AgentContext,
): Promise<ReadonlyMap<string, PolicyRule>> {
  const heard = await heardBy(context);
  const high = new Map(
    findings
      .filter(({ severity }) => severity === 'high')
      .toSorted(compareFindings)
      .map((finding) => [finding.id, finding]),
  );
  const asked = [...high.values()].filter(({ id }) => heard.has(id));
  const replies = await askedFor(asked, asking, context);
  const objections = new Map<string, PolicyRule>();
  for (const { id, path, dev } of high.values()) {
    const reply = replies.get(id);
    if (reply === undefined) objections.set(id, UNHEARD);
    else if (JSON.stringify([reply?.path, reply?.dev]) !== JSON.stringify([path, dev]))
      objections.set(id, CONTRADICTED);
  }
  context.log.info('paths asked for', { asked: asked.length, objections: objections.size });
  return objections;
}

/** The high findings that were published, by id. */
async function heardBy({ bus, journal }: AgentContext): Promise<ReadonlySet<string>> {
  const noted = (await journal.read()).flatMap((entry) => Noted.safeParse(entry).data?.heard ?? []);
  // Who publishes is done before this agent starts: nothing has to be waited for.
  await bus.subscribe({ topic: HIGH_FINDINGS, since: 'start' });
  const messages = await bus.receiveMany(LIMITS.mailboxMessages, { filter: ofType('event'), timeoutMs: 0 });
  const heard = messages.flatMap(({ content }) => SaidFinding.safeParse(content).data?.id ?? []);
  if (heard.length > 0) {
    await journal.append({ heard });
    // The mailbox has room for as many replies.
    await bus.commit();
  }
  return new Set([...noted, ...heard]);
}

/** One request for each finding, all at once, and its reply. */
async function askedFor(
  findings: readonly Finding[],
  { paths: capability, replyTimeoutMs: timeoutMs }: Asking,
  { bus }: AgentContext,
): Promise<ReadonlyMap<string, PathReply>> {
  const of = findings.length;
  const replies = new Map<string, PathReply>();
  if (of === 0) await bus.send({ capability }, { of });
  const requests = findings.map(({ id, location }) =>
    bus.send({ capability }, { finding: id, location, of }, { type: 'request', correlationId: id }),
  );
  await Promise.all(requests);
  const open = new Set(findings.map(({ id }) => id));
  while (open.size > 0) {
    const messages = await bus.receiveMany(open.size, { filter: ofType('response'), timeoutMs });
    if (messages.length === 0)
      throw new AppError('MESSAGE_TIMEOUT', `${open.size} of ${of} paths were not told in ${timeoutMs} ms`);
    for (const { correlationId = '', content } of messages)
      if (open.delete(correlationId)) replies.set(correlationId, PathReply.safeParse(content).data ?? null);
  }
  return replies;
}

function ofType(type: string): Predicate {
  return { op: 'eq', pointer: '/type', value: type };
}
