import { type LockEntry, memberOf } from '../tools/lockfile/entry';
import { type LicenceFact, licenceOf } from '../tools/lockfile/licence';
import type { LicenceClass } from '../tools/lockfile/licence-classes';
import { collectPaced } from '../tools/lockfile/pacer';
import type { LockChange } from './analysis';
import { type Arrival, aboutMany, aboutPackage, allDevelopment, arrivalsOf, bringsNew } from './cite';
import { cite, citeVersion, countOf, label, plain } from './cite';
import type { FindingDraft, Severity } from './finding';

const SEVERITY_OF: Readonly<Record<LicenceClass, Severity>> = {
  permissive: 'info',
  'weak-copyleft': 'low',
  'strong-copyleft': 'high',
  restricted: 'high',
  unknown: 'unknown',
};

/** What the change means for licences. Permissive ones are no finding, unless they replace another. */
export async function licenceFindings(change: LockChange): Promise<readonly FindingDraft[]> {
  const arrivals = arrivalsOf(change).filter((one) => bringsNew(one, ['name', 'version', 'license']));
  if (arrivals.length > 0 && !recordsLicences(change)) return [unrecorded(change, arrivals)];
  return await collectPaced(arrivals, (arrival) => licenceFinding(change, arrival));
}

/** Version 1 records no licences, and neither did npm for long after: then one finding says so for all. */
function recordsLicences({ head }: LockChange): boolean {
  return !head.graph.lock.legacy && head.graph.nodes.some(({ entry, local }) => !local && hasLicence(entry));
}

function hasLicence(entry: LockEntry): boolean {
  return memberOf(entry, 'license') !== undefined;
}

function unrecorded({ head }: LockChange, arrivals: readonly Arrival[]): FindingDraft {
  const { legacy, version } = head.graph.lock;
  const why = legacy
    ? `Version ${version} lock files record no licences`
    : 'No entry of the head records a licence';
  const packages = countOf(arrivals.length, 'added or changed package');
  return {
    ...aboutMany(allDevelopment(head, arrivals)),
    kind: 'licence',
    check: 'licence-unrecorded',
    severity: 'unknown',
    claim: `${why}: those of ${packages} are unknown.`,
    evidence: legacy
      ? [citeVersion('head', head)]
      : arrivals.slice(0, 3).map(({ after }) => cite('head', after, 'license')),
  };
}

function licenceFinding(change: LockChange, arrival: Arrival): FindingDraft | null {
  const now = licenceOf(arrival.after.entry);
  const was = licenceBefore(change, arrival);
  const changed = was !== null && was.expression !== null && was.expression !== now.expression;
  if (now.class === 'permissive' && !changed) return null;
  const replaces = changed ? `, where the base had ${quoted(was.expression)}` : '';
  return {
    ...aboutPackage(change.head, arrival),
    kind: 'licence',
    check: now.class === 'permissive' ? 'licence-changed' : `licence-${now.class}`,
    severity: SEVERITY_OF[now.class],
    claim: `${label(arrival.after)} ${describe(now)}${replaces}.`,
    evidence: [
      cite('head', arrival.after, 'license'),
      ...(changed && arrival.before !== null ? [cite('base', arrival.before, 'license')] : []),
    ],
  };
}

function licenceBefore({ base }: LockChange, { before }: Arrival): LicenceFact | null {
  return before === null || base === null || base.graph.lock.legacy ? null : licenceOf(before.entry);
}

function describe({ expression, class: found, unknownBecause }: LicenceFact): string {
  const said = quoted(expression);
  switch (unknownBecause) {
    case 'absent':
      return 'states no licence in the lock file';
    case 'not-an-expression':
      return `states ${said}, which is not an SPDX expression`;
    case 'in-a-file':
      return `refers to a licence file that the lock file does not hold (${said})`;
    case 'not-classified':
      return `is under ${said}, which the gate's list does not classify`;
    case null:
      return `is under ${said}, which is ${found.replace('-', ' ')}`;
  }
}

function quoted(expression: string | null): string {
  return JSON.stringify(expression === null ? null : plain(expression));
}
