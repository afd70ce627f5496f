import { forEachPaced } from '../tools/lockfile/pacer';
import { hostOfScope, knownHosts, majorityHost, sourceOf } from '../tools/lockfile/source';
import type { GraphNode } from '../tools/lockfile/graph';
import type { LockChange } from './analysis';
import { type Arrival, aboutMany, aboutPackage, allDevelopment, arrivalsOf, bringsNew } from './cite';
import { cite, countOf, label } from './cite';
import type { FindingDraft } from './finding';
import { INTEGRITY_CHECKS } from './integrity-checks';
import type { ProvenanceCheck, ProvenanceView, Statement } from './provenance-check';
import { SOURCE_CHECKS } from './source-checks';

const CHECKS: readonly ProvenanceCheck[] = [...INTEGRITY_CHECKS, ...SOURCE_CHECKS];

/** Where the packages of the change come from, and what ties the lock to their bytes. */
export async function provenanceFindings(change: LockChange): Promise<readonly FindingDraft[]> {
  const facts = ['name', 'version', 'resolved', 'integrity', 'inBundle'] as const;
  const arrivals = arrivalsOf(change).filter((one) => bringsNew(one, facts));
  const view = await viewer(change);
  const findings: FindingDraft[] = [];
  await forEachPaced(arrivals, (arrival) => {
    const seen = view(arrival);
    for (const check of CHECKS) {
      const statement = check(seen);
      if (statement !== null) findings.push(draftOf(change, arrival, statement));
    }
  });
  return [...findings, ...hostUnknown(change, arrivals)];
}

async function viewer(change: LockChange): Promise<(arrival: Arrival) => ProvenanceView> {
  const usualHost = await majorityHost(change.head.graph);
  const known = change.base === null ? new Set<string>() : await knownHosts(change.base.graph);
  const inBase = await byVersion(change.base?.graph.nodes ?? []);
  const inHead = await byVersion(change.head.graph.nodes);
  return (arrival) => {
    const { after } = arrival;
    const key = versionKey(after);
    return {
      arrival,
      source: sourceOf(after.entry),
      change,
      twins: {
        base: inBase.get(key) ?? [],
        head: (inHead.get(key) ?? []).filter((node) => node !== after),
      },
      usualHost,
      isKnownHost: (host) => known.has(hostOfScope(host, after.entry)),
    };
  };
}

async function byVersion(nodes: readonly GraphNode[]): Promise<ReadonlyMap<string, readonly GraphNode[]>> {
  const groups = new Map<string, GraphNode[]>();
  await forEachPaced(nodes, (node) => {
    if (node.local || node.target !== null || node.entry.version === null) return;
    const group = groups.get(versionKey(node));
    if (group === undefined) groups.set(versionKey(node), [node]);
    else group.push(node);
  });
  return groups;
}

function versionKey({ entry }: GraphNode): string {
  return `${entry.packageName}@${entry.version ?? ''}`;
}

function draftOf(change: LockChange, arrival: Arrival, statement: Statement): FindingDraft {
  return {
    ...aboutPackage(change.head, arrival),
    kind: 'provenance',
    check: statement.check,
    severity: statement.severity,
    claim: `${label(arrival.after)} ${statement.says}.`,
    evidence: [...statement.evidence],
  };
}

/** npm can be told to leave registry addresses out of the lock; then no entry can say which host it comes from. */
function hostUnknown(change: LockChange, arrivals: readonly Arrival[]): readonly FindingDraft[] {
  const silent = arrivals.filter(({ after }) => sourceOf(after.entry).kind === 'unknown');
  if (silent.length === 0) return [];
  return [
    {
      ...aboutMany(allDevelopment(change.head, silent)),
      kind: 'provenance',
      check: 'host-unknown',
      severity: 'unknown',
      claim: `The head names no source for ${countOf(silent.length, 'added or changed package')}: their host is unknown.`,
      evidence: silent.slice(0, 3).map(({ after }) => cite('head', after, 'resolved')),
    },
  ];
}
