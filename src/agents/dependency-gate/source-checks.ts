import type { GraphNode } from '../tools/lockfile/graph';
import { asksRegistry, sourceOf } from '../tools/lockfile/source';
import { cite, plain } from './cite';
import type { ProvenanceCheck, ProvenanceView } from './provenance-check';

const INSECURE = new Set(['http', 'git', 'git+http']);
const OWN_ADDRESS = new Set(['git', 'tarball', 'file']);

const insecure: ProvenanceCheck = ({ arrival: { after }, source }) => {
  if (source.scheme === null || !INSECURE.has(source.scheme)) return null;
  return {
    check: 'insecure-transport',
    severity: 'high',
    says: `is fetched over ${source.scheme}, which anyone on the way can alter`,
    evidence: [cite('head', after, 'resolved')],
  };
};

const foreignHost: ProvenanceCheck = ({ arrival: { after }, source, usualHost, isKnownHost }) => {
  if (source.kind !== 'registry' || source.host === null || source.host === usualHost) return null;
  if (isKnownHost(source.host)) return null;
  return {
    check: 'host-unusual',
    severity: 'high',
    says: `comes from ${source.host}, while most packages ${usualHost === null ? 'name no host' : `come from ${usualHost}`}`,
    evidence: [cite('head', after, 'resolved')],
  };
};

const otherPackage: ProvenanceCheck = ({ arrival: { after }, source: { names } }) => {
  if (names === null) return null;
  const { packageName, version } = after.entry;
  const matches = names.name === packageName && (names.version === version || version === null);
  if (matches || (names.name === packageName && names.version === null)) return null;
  return {
    check: 'address-of-another-package',
    severity: 'high',
    says: `is fetched from the address of ${plain(names.name)}@${plain(names.version ?? 'unknown')}`,
    evidence: [cite('head', after, 'resolved'), cite('head', after, 'version')],
  };
};

const ownAddress: ProvenanceCheck = ({ arrival: { after }, source, usualHost }) => {
  if (!OWN_ADDRESS.has(source.kind)) return null;
  // Some registries lay their tarballs out in their own way; the usual host is then the registry all the same.
  if (source.kind === 'tarball' && source.host !== null && source.host === usualHost) return null;
  const asked = after.edgesIn.filter((edge) => edge.type !== 'link');
  const evidence = [cite('head', after, 'resolved')];
  const what =
    source.kind === 'git' ? 'a git repository' : source.kind === 'tarball' ? 'a tarball' : 'a local file';
  const from = source.host === null ? what : `${what} at ${source.host}`;
  if (asked.length > 0 && asked.every((edge) => asksRegistry(edge.range))) {
    return {
      check: 'source-not-requested',
      severity: 'high',
      says: `comes from ${from}, although everything that requires it asks for a version from a registry`,
      evidence,
    };
  }
  if (source.kind === 'git' && !source.pinned) {
    return {
      check: 'git-not-pinned',
      severity: 'high',
      says: `comes from ${from} without naming a commit`,
      evidence,
    };
  }
  return {
    check: `source-${source.kind}`,
    severity: 'low',
    says: `comes from ${from}, not from a registry`,
    evidence,
  };
};

const sourceChanged: ProvenanceCheck = (view) => {
  const { arrival, source, twins } = view;
  const { after } = arrival;
  if (after.entry.resolved === null) return null;
  const known = twins.base.filter(({ entry }) => entry.resolved !== null);
  const first = known[0] ?? versionlessTwin(view);
  if (first === undefined || known.some(({ entry }) => entry.resolved === after.entry.resolved)) return null;
  const before = sourceOf(first.entry);
  const elsewhere = before.kind !== source.kind || before.host !== source.host;
  return {
    check: elsewhere ? 'source-changed' : 'address-changed',
    severity: elsewhere ? 'high' : 'low',
    says: elsewhere
      ? `comes from another source than the same version did in the base`
      : 'has another address at the same source than in the base',
    evidence: [cite('head', after, 'resolved'), cite('base', first, 'resolved')],
  };
};

/** Where neither side states a version (git in version 1), the same place is the only link between them. */
function versionlessTwin({ arrival: { before, after } }: ProvenanceView): GraphNode | undefined {
  if (before === null || before.entry.version !== null || after.entry.version !== null) return undefined;
  return before.entry.resolved === after.entry.resolved || before.entry.resolved === null
    ? undefined
    : before;
}

const wrongFlag: ProvenanceCheck = ({ arrival: { after }, change: { head } }) => {
  if (!after.entry.dev || !head.graph.rootKnown || !head.paths.inProduction(after)) return null;
  return {
    check: 'development-flag-wrong',
    severity: 'high',
    says: 'is marked as a development package, although production dependencies lead to it',
    evidence: [cite('head', after, 'dev')],
  };
};

/** Where the bytes come from, and whether anybody asked for them there. */
export const SOURCE_CHECKS: readonly ProvenanceCheck[] = [
  insecure,
  foreignHost,
  otherPackage,
  ownAddress,
  sourceChanged,
  wrongFlag,
];
