import type { GraphNode } from '../tools/lockfile/graph';
import { compareIntegrity, readIntegrity } from '../tools/lockfile/integrity';
import { cite } from './cite';
import type { ProvenanceCheck } from './provenance-check';

/** Sources whose bytes npm can only verify by an integrity in the lock. */
const FETCHED = new Set(['registry', 'tarball', 'unknown']);

const missing: ProvenanceCheck = ({ arrival, source }) => {
  const { after, before } = arrival;
  if (after.entry.integrity !== null || !FETCHED.has(source.kind)) return null;
  const lost =
    before !== null && before.entry.integrity !== null && before.entry.version === after.entry.version;
  return {
    check: lost ? 'integrity-removed' : 'integrity-missing',
    severity: 'high',
    says: lost
      ? 'lost the integrity that the base had for it'
      : 'has no integrity, so its bytes cannot be verified',
    evidence: [cite('head', after, 'integrity'), ...(lost ? [cite('base', before, 'integrity')] : [])],
  };
};

const malformed: ProvenanceCheck = ({ arrival: { after } }) => {
  if (after.entry.integrity === null || !readIntegrity(after.entry.integrity).malformed) return null;
  return {
    check: 'integrity-malformed',
    severity: 'high',
    says: 'has an integrity that is not a hash',
    evidence: [cite('head', after, 'integrity')],
  };
};

const weak: ProvenanceCheck = ({ arrival: { after } }) => {
  if (after.entry.integrity === null) return null;
  const { strong, malformed: broken } = readIntegrity(after.entry.integrity);
  if (strong || broken) return null;
  return {
    check: 'integrity-weak',
    severity: 'low',
    says: 'is verified by a hash that can be forged (SHA-1 or MD5)',
    evidence: [cite('head', after, 'integrity')],
  };
};

const changed: ProvenanceCheck = ({ arrival: { after }, twins }) => {
  const other = contradicting(after, twins.base);
  if (other === null) return null;
  return {
    check: 'integrity-changed',
    severity: 'high',
    says: 'has another integrity than the same version has in the base',
    evidence: [cite('head', after, 'integrity'), cite('base', other, 'integrity')],
  };
};

const conflicting: ProvenanceCheck = ({ arrival: { after }, twins }) => {
  if (contradicting(after, twins.base) !== null) return null;
  const other = contradicting(after, twins.head);
  if (other === null) return null;
  return {
    check: 'integrity-conflict',
    severity: 'high',
    says: 'has two integrities for one version in the head',
    evidence: [cite('head', after, 'integrity'), cite('head', other, 'integrity')],
  };
};

/** A twin that contradicts; none where another one agrees. */
function contradicting(node: GraphNode, twins: readonly GraphNode[]): GraphNode | null {
  const own = node.entry.integrity;
  if (own === null) return null;
  let found: GraphNode | null = null;
  for (const twin of twins) {
    if (twin.entry.integrity === null) continue;
    const verdict = compareIntegrity(twin.entry.integrity, own);
    if (verdict === 'same') return null;
    if (verdict === 'different') found ??= twin;
  }
  return found;
}

/** What ties the lock to the bytes that will be installed. */
export const INTEGRITY_CHECKS: readonly ProvenanceCheck[] = [missing, malformed, weak, changed, conflicting];
