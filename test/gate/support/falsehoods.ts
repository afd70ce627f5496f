import type { Evidence, Finding } from '../../../src/agents/dependency-gate/finding';
import type { Json } from '../../../src/protocol/json';

/** What a false finding is made from: a true one, and the files it is about. */
export interface TruthAndFiles {
  readonly finding: Finding;
  readonly head: object;
  readonly base: object | null;
}

/** A way to be wrong; null where this finding cannot be wrong in this way. */
export interface Falsehood {
  readonly name: string;
  readonly falsify: (truth: TruthAndFiles) => Json | null;
}

const about = (finding: Finding): boolean => finding.package !== '*' && finding.kind !== 'missing';

/** A falsehood about one package, everything else of the finding being true. */
function changed(name: string, change: (finding: Finding) => Partial<Finding> | null): Falsehood {
  return {
    name,
    falsify: ({ finding }) => {
      const facts = about(finding) ? change(finding) : null;
      return facts === null ? null : asJson({ ...finding, ...facts });
    },
  };
}

/** A falsehood in the first piece of evidence that allows it. */
function misquoted(name: string, change: (evidence: Evidence) => Evidence | null): Falsehood {
  return {
    name,
    falsify: ({ finding }) => {
      const evidence = finding.evidence.map((one) => change(one) ?? one);
      const wrong = evidence.some((one, at) => one !== finding.evidence[at]);
      return wrong ? asJson({ ...finding, evidence }) : null;
    },
  };
}

/** Every way in which a finding is wrong, each in one thing only. */
export const FALSEHOODS: readonly Falsehood[] = [
  misquoted('another value than the one that stands there', ({ file, pointer }) => ({
    file,
    pointer,
    value: 'sha512-invented',
  })),
  misquoted('a place where nothing stands', ({ file }) => ({
    file,
    pointer: '/packages/node_modules~1never-there/version',
    value: '1.0.0',
  })),
  misquoted('absence where something stands', (evidence) =>
    'absent' in evidence ? null : { file: evidence.file, pointer: evidence.pointer, absent: true },
  ),
  changed('another package', () => ({ package: 'never-heard-of' })),
  changed('another version', () => ({ version: '66.6.6' })),
  changed('a location that the lock does not have', () => ({ location: 'node_modules/never-there' })),
  changed('another severity', ({ severity }) => ({ severity: severity === 'high' ? 'info' : 'high' })),
  changed('a check that finds nothing there', ({ kind }) =>
    kind === 'size' ? null : { kind: 'size', check: 'large-package' },
  ),
  changed('a path that is no chain', ({ location }) => ({
    path: ['', 'node_modules/never-there', location],
  })),
  changed('another change', ({ change }) => ({ change: change === 'added' ? 'changed' : 'added' })),
  changed('the other use', ({ dev }) => ({ dev: !dev })),
  changed('another claim', ({ package: name }) => ({ claim: `${name} steals passwords.` })),
  changed('evidence that is true and proves nothing', ({ evidence }) => ({
    evidence: [...evidence, { file: 'head', pointer: '/requires', value: true }],
  })),
  changed('no evidence', () => ({ evidence: [] })),
  {
    name: 'another number of packages',
    falsify: ({ finding }) =>
      finding.package === '*'
        ? asJson({ ...finding, claim: finding.claim.replace(/\d+ added/, '4711 added') })
        : null,
  },
  {
    name: 'a package that the change left alone',
    falsify: ({ finding, head, base }) => {
      const [location, facts] = unchangedIn(head, base) ?? [];
      if (location === undefined || facts === undefined || !about(finding)) return null;
      const pointer = `/packages/${location.replaceAll('/', '~1')}/version`;
      return asJson({
        ...finding,
        kind: 'deprecated',
        check: 'deprecated',
        severity: 'low',
        package: facts.name ?? location.split('node_modules/').at(-1) ?? '',
        version: facts.version,
        location,
        evidence: [{ file: 'head', pointer, value: facts.version }],
      });
    },
  },
  changed('the id of another statement', ({ kind }) => ({ id: `${kind}-0123456789ab` })),
];

interface EntryFacts {
  readonly name?: string;
  readonly version: string;
}

function unchangedIn(head: object, base: object | null): readonly [string, EntryFacts] | undefined {
  const before = packagesOf(base);
  return Object.entries(packagesOf(head)).find(
    ([location, facts]) =>
      location.includes('node_modules/') &&
      facts.version !== undefined &&
      JSON.stringify(facts) === JSON.stringify(before[location]),
  );
}

function packagesOf(lock: object | null): Readonly<Record<string, EntryFacts>> {
  return (lock as { packages?: Record<string, EntryFacts> } | null)?.packages ?? {};
}

function asJson(finding: unknown): Json {
  return JSON.parse(JSON.stringify(finding)) as Json;
}
