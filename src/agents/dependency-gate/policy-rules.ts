import type { PolicyRule } from './policy-schema';

/** The policy that holds where a plan states none. Order matters: the first rule that holds decides. */
export const DEFAULT_RULES: readonly PolicyRule[] = [
  {
    id: 'tampering',
    when: {
      check: ['integrity-changed', 'integrity-conflict', 'integrity-removed', 'source-changed'],
      severity: ['high'],
    },
    verdict: 'block',
    reason:
      'A published version never changes its bytes or its source; this also runs on developers’ machines.',
  },
  {
    id: 'misdirection',
    when: { check: ['address-of-another-package', 'source-not-requested', 'development-flag-wrong'] },
    verdict: 'block',
    reason: 'The lock says something else than the manifests ask for.',
  },
  {
    id: 'install-script-production',
    when: { kind: ['install-script'], severity: ['high'], dev: false },
    verdict: 'block',
    reason: 'New code that runs at installation in production needs a review of that script first.',
  },
  {
    id: 'install-script-development',
    when: { kind: ['install-script'], severity: ['high'], dev: true },
    verdict: 'waive',
    reason: 'It runs on developers’ and build machines only: record who accepted it.',
  },
  {
    id: 'install-script-kept',
    when: { check: ['install-script-kept'] },
    verdict: 'merge',
    reason: 'The package already ran a script when it was accepted.',
  },
  {
    id: 'provenance-production',
    when: { kind: ['provenance'], severity: ['high'], dev: false },
    verdict: 'block',
    reason: 'What production runs must come from a known place, verified.',
  },
  {
    id: 'provenance-development',
    when: { kind: ['provenance'], severity: ['high'], dev: true },
    verdict: 'waive',
    reason: 'It does not reach production: record who accepted it.',
  },
  {
    id: 'own-source-production',
    when: { check: ['source-git', 'source-tarball'], dev: false },
    verdict: 'waive',
    reason: 'It was asked for by address, outside any registry: record who accepted it.',
  },
  {
    id: 'host-left-out',
    when: { check: ['host-unknown'] },
    verdict: 'merge',
    reason:
      'The registry set at installation decides the host, and the integrity in the lock holds its bytes.',
  },
  {
    id: 'licence-production',
    when: { kind: ['licence'], severity: ['high'], dev: false },
    verdict: 'block',
    reason: 'This licence binds what production ships.',
  },
  {
    id: 'licence-unknown-production',
    when: { kind: ['licence'], severity: ['unknown'], dev: false },
    verdict: 'waive',
    reason: 'Nobody can comply with a licence nobody has read: record who did.',
  },
  {
    id: 'licence-development',
    when: { kind: ['licence'], dev: true },
    verdict: 'merge',
    reason: 'Development tools are not shipped.',
  },
  {
    id: 'install-script-unrecorded',
    when: { check: ['install-script-unrecorded'] },
    verdict: 'waive',
    reason:
      'The lock’s format hides whether anything runs at installation; write it again with a current npm.',
  },
  {
    id: 'engine-unsupported',
    when: { check: ['engine-unsupported'] },
    verdict: 'waive',
    reason: 'It says it does not run on this Node.js: record that it was tried.',
  },
  {
    id: 'engine-unknown',
    when: { kind: ['engine'], severity: ['unknown'] },
    verdict: 'merge',
    reason: 'Nothing to hold engines against; installation warns where one does not fit.',
  },
  {
    id: 'high',
    when: { severity: ['high'] },
    verdict: 'block',
    reason: 'A high finding that no other rule decides.',
  },
  {
    id: 'unknown',
    when: { severity: ['unknown'] },
    verdict: 'waive',
    reason: 'The input cannot tell, so a person has to.',
  },
  {
    id: 'note',
    when: { severity: ['low', 'info'] },
    verdict: 'merge',
    reason: 'Worth knowing, no reason to wait.',
  },
];
