import { collectPaced } from '../tools/lockfile/pacer';
import type { LockChange } from './analysis';
import { type Arrival, aboutMany, aboutPackage, allDevelopment, arrivalsOf, bringsNew } from './cite';
import { cite, citeVersion, countOf, label } from './cite';
import type { FindingDraft } from './finding';

/** Packages of the change that run code of their own while they are installed. */
export async function installScriptFindings(change: LockChange): Promise<readonly FindingDraft[]> {
  const facts = ['name', 'version', 'hasInstallScript', 'integrity'] as const;
  const arrivals = arrivalsOf(change).filter((one) => bringsNew(one, facts));
  if (change.head.graph.lock.legacy) return arrivals.length === 0 ? [] : [unrecorded(change, arrivals)];
  return await collectPaced(arrivals, (arrival) =>
    arrival.after.entry.installScript === true ? runsOnInstall(change, arrival) : null,
  );
}

function unrecorded({ head }: LockChange, arrivals: readonly Arrival[]): FindingDraft {
  const packages = countOf(arrivals.length, 'added or changed package');
  return {
    ...aboutMany(allDevelopment(head, arrivals)),
    kind: 'install-script',
    check: 'install-script-unrecorded',
    severity: 'unknown',
    claim: `Version 1 lock files do not record install scripts: whether ${packages} run any is unknown.`,
    evidence: [citeVersion('head', head)],
  };
}

function runsOnInstall(change: LockChange, arrival: Arrival): FindingDraft {
  const { before, after, fields } = arrival;
  const promoted = fields.includes('promoted');
  // A script its predecessor also had was let in before; one that appears, or reaches production, was not.
  const kept = before !== null && before.entry.installScript === true && !promoted;
  const check = kept ? 'install-script-kept' : promoted ? 'install-script-promoted' : 'install-script-new';
  const how = kept ? ', as it did in the base' : promoted ? ', and is now part of production' : '';
  return {
    ...aboutPackage(change.head, arrival),
    kind: 'install-script',
    check,
    severity: kept ? 'low' : 'high',
    claim: `${label(after)} runs a script when it is installed${how}.`,
    evidence: [
      cite('head', after, 'hasInstallScript'),
      ...(kept ? [cite('base', before, 'hasInstallScript')] : []),
      ...(promoted && before !== null ? [cite('base', before, 'dev')] : []),
    ],
  };
}
