import { decide, ruleHolds } from '../../src/agents/dependency-gate/decide';
import { type Finding, type FindingDraft, withId } from '../../src/agents/dependency-gate/finding';
import { DEFAULT_RULES } from '../../src/agents/dependency-gate/policy-rules';
import { PolicyOptions, PolicyRule } from '../../src/agents/dependency-gate/policy-schema';

function aFinding(facts: Partial<FindingDraft> = {}): Finding {
  return withId({
    kind: 'licence',
    check: 'licence-unknown',
    severity: 'unknown',
    package: 'left',
    version: '1.0.0',
    location: 'node_modules/left',
    change: 'added',
    dev: false,
    path: ['', 'node_modules/left'],
    claim: 'left@1.0.0 states no licence in the lock file.',
    evidence: [{ file: 'head', pointer: '/packages/node_modules~1left/license', absent: true }],
    ...facts,
  });
}

const options = (said: object = {}): PolicyOptions => PolicyOptions.parse(said);
const NOTHING_STRUCK = { struck: [], struckCount: 0 };
const brought = (findings: readonly Finding[]) => ({ findings, missing: [], omitted: 0, ...NOTHING_STRUCK });

/** Every line of the default policy: what is found, and by which rule it ends how. */
const TABLE: readonly (readonly [Partial<FindingDraft>, string, string])[] = [
  [
    { kind: 'install-script', check: 'install-script-new', severity: 'high' },
    'install-script-production',
    'block',
  ],
  [
    { kind: 'install-script', check: 'install-script-new', severity: 'high', dev: true },
    'install-script-development',
    'waive',
  ],
  [
    { kind: 'install-script', check: 'install-script-promoted', severity: 'high' },
    'install-script-production',
    'block',
  ],
  [{ kind: 'install-script', check: 'install-script-kept', severity: 'low' }, 'install-script-kept', 'merge'],
  [{ kind: 'install-script', check: 'install-script-unrecorded' }, 'install-script-unrecorded', 'waive'],
  [{ kind: 'provenance', check: 'integrity-changed', severity: 'high', dev: true }, 'tampering', 'block'],
  [{ kind: 'provenance', check: 'integrity-conflict', severity: 'high' }, 'tampering', 'block'],
  [{ kind: 'provenance', check: 'integrity-removed', severity: 'high', dev: true }, 'tampering', 'block'],
  [{ kind: 'provenance', check: 'source-changed', severity: 'high', dev: true }, 'tampering', 'block'],
  [
    { kind: 'provenance', check: 'address-of-another-package', severity: 'high', dev: true },
    'misdirection',
    'block',
  ],
  [
    { kind: 'provenance', check: 'source-not-requested', severity: 'high', dev: true },
    'misdirection',
    'block',
  ],
  [{ kind: 'provenance', check: 'development-flag-wrong', severity: 'high' }, 'misdirection', 'block'],
  [{ kind: 'provenance', check: 'integrity-missing', severity: 'high' }, 'provenance-production', 'block'],
  [
    { kind: 'provenance', check: 'insecure-transport', severity: 'high', dev: true },
    'provenance-development',
    'waive',
  ],
  [{ kind: 'provenance', check: 'source-git', severity: 'low' }, 'own-source-production', 'waive'],
  [{ kind: 'provenance', check: 'source-git', severity: 'low', dev: true }, 'note', 'merge'],
  [{ kind: 'provenance', check: 'source-file', severity: 'low' }, 'note', 'merge'],
  [{ kind: 'provenance', check: 'host-unknown', package: '*' }, 'host-left-out', 'merge'],
  [{ kind: 'provenance', check: 'integrity-weak', severity: 'low' }, 'note', 'merge'],
  [{ check: 'licence-strong-copyleft', severity: 'high' }, 'licence-production', 'block'],
  [{ check: 'licence-strong-copyleft', severity: 'high', dev: true }, 'licence-development', 'merge'],
  [{ check: 'licence-unknown' }, 'licence-unknown-production', 'waive'],
  [{ check: 'licence-unknown', dev: true }, 'licence-development', 'merge'],
  [{ check: 'licence-weak-copyleft', severity: 'low' }, 'note', 'merge'],
  [{ kind: 'engine', check: 'engine-unsupported', severity: 'high' }, 'engine-unsupported', 'waive'],
  [{ kind: 'engine', check: 'engine-narrower', severity: 'low' }, 'note', 'merge'],
  [{ kind: 'engine', check: 'engine-basis-unknown' }, 'engine-unknown', 'merge'],
  [{ kind: 'duplicate', check: 'several-versions', severity: 'low' }, 'note', 'merge'],
  [{ kind: 'size', check: 'large-package', severity: 'high' }, 'high', 'block'],
  [{ kind: 'size', check: 'large-package', severity: 'unknown' }, 'unknown', 'waive'],
];

describe('the default policy', () => {
  test.each(TABLE)('%j is decided by %s: %s', (facts, rule, verdict) => {
    const report = decide(brought([aFinding(facts)]), options());
    expect(report.decisions).toMatchObject([{ rule, verdict, reason: expect.stringMatching(/\w/) }]);
    expect(report.verdict).toBe(verdict);
  });

  test('every rule is valid, has its own id, and decides something in this table', () => {
    for (const rule of DEFAULT_RULES) expect(PolicyRule.parse(rule)).toEqual(rule);
    expect(new Set(TABLE.map(([, rule]) => rule))).toEqual(new Set(DEFAULT_RULES.map(({ id }) => id)));
    expect(new Set(DEFAULT_RULES.map(({ id }) => id)).size).toBe(DEFAULT_RULES.length);
  });

  test('decides every severity, so that nothing falls through', () => {
    for (const severity of ['high', 'unknown', 'low', 'info'] as const) {
      const { decisions } = decide(
        brought([aFinding({ kind: 'missing', check: 'new-check', severity })]),
        options(),
      );
      expect(decisions[0]?.rule).not.toBe('no-rule');
    }
  });
});

describe('the verdict', () => {
  const blocked = aFinding({ kind: 'install-script', check: 'install-script-new', severity: 'high' });
  const waived = aFinding();
  const noted = aFinding({ kind: 'duplicate', check: 'several-versions', severity: 'low' });

  test('is that of the worst finding, which comes first', () => {
    const report = decide(brought([noted, waived, blocked]), options());
    expect(report.decisions.map(({ verdict }) => verdict)).toEqual(['block', 'waive', 'merge']);
    expect(report).toMatchObject({
      verdict: 'block',
      reason: '1 finding must be resolved first, by rule install-script-production.',
      counts: { block: 1, waive: 1, merge: 1 },
      severities: { high: 1, unknown: 1, low: 1, info: 0 },
    });
  });

  test('is merge where nothing was found', () => {
    expect(decide(brought([]), options())).toMatchObject({ verdict: 'merge', reason: 'Nothing was found.' });
  });

  test('is block where an agent brought nothing, however good the rest looks', () => {
    const report = decide({ ...brought([noted]), missing: ['licence'] }, options());
    expect(report).toMatchObject({ verdict: 'block', reason: expect.stringContaining('licence') });
  });

  test('is never merge where findings were cut off', () => {
    expect(decide({ ...brought([noted]), omitted: 3 }, options()).verdict).toBe('waive');
    expect(decide({ ...brought([blocked]), omitted: 3 }, options()).verdict).toBe('block');
  });

  test('does not rest on what was struck, which is told all the same', () => {
    const struck = {
      id: 'licence-0123456789ab',
      agent: 'liar',
      claim: 'left steals passwords.',
      reason: 'nothing stands there',
      file: 'head',
      pointer: '/packages/node_modules~1left/passwords',
      expected: { value: true },
      found: { absent: true as const },
    };
    expect(decide({ ...brought([noted]), struck: [struck], struckCount: 3 }, options())).toMatchObject({
      verdict: 'merge',
      counts: { block: 0, waive: 0, merge: 1 },
      struck: [struck],
      struckCount: 3,
    });
  });

  test('does not depend on the order of the findings', () => {
    const all = [noted, waived, blocked];
    expect(decide(brought(all.toReversed()), options())).toEqual(decide(brought(all), options()));
  });
});

describe('rules of a plan', () => {
  const rule = (when: object, verdict = 'merge'): object => ({ id: 'ours', when, verdict, reason: 'agreed' });

  test('come before the defaults', () => {
    const findings = [
      aFinding({
        kind: 'install-script',
        check: 'install-script-new',
        severity: 'high',
        package: '@acme/tool',
      }),
    ];
    const report = decide(
      brought(findings),
      options({ rules: [rule({ package: ['@acme/*'], kind: ['install-script'] })] }),
    );
    expect(report).toMatchObject({ verdict: 'merge', decisions: [{ rule: 'ours', reason: 'agreed' }] });
  });

  test('stand alone where the defaults are off, and block what they do not decide', () => {
    const report = decide(brought([aFinding()]), options({ defaults: false }));
    expect(report).toMatchObject({ verdict: 'block', decisions: [{ rule: 'no-rule' }] });
  });

  test.each([
    [{}, true],
    [{ kind: ['licence', 'size'] }, true],
    [{ kind: ['size'] }, false],
    [{ check: ['licence-unknown'] }, true],
    [{ severity: ['high'] }, false],
    [{ change: ['added'] }, true],
    [{ change: ['moved'] }, false],
    [{ dev: false }, true],
    [{ dev: true }, false],
    [{ package: ['left'] }, true],
    [{ package: ['le*'] }, true],
    [{ package: ['*'] }, true],
    [{ package: ['eft'] }, false],
    [{ package: ['left'], version: ['1.0.0'] }, true],
    [{ package: ['left'], version: ['2.0.0'] }, false],
  ])('%j holds: %s', (when, expected) => {
    expect(ruleHolds(PolicyRule.parse(rule(when)).when, aFinding())).toBe(expected);
  });

  test.each([
    [{ rules: [rule({ licence: ['MIT'] })] }, /unrecognized key/i],
    [{ rules: [rule({ kind: ['licences'] })] }, /invalid option/i],
    [{ rules: [rule({ kind: [] })] }, /too small/i],
    [{ rules: [rule({}, 'maybe')] }, /invalid option/i],
    [{ rule: [] }, /unrecognized key/i],
  ])('a rule that says what no rule can say is refused: %j', (said, message) => {
    expect(() => options(said)).toThrow(message);
  });
});
