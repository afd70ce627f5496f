import type { Finding } from '../../src/agents/dependency-gate/finding';
import type { Judgement } from '../../src/agents/dependency-gate/judgement';
import { Evaluator } from '../../src/agents/built-in/evaluator';
import { RemedyAgent } from '../../src/agents/dependency-gate/remedy';
import type { Remedy, RemedyReport } from '../../src/agents/dependency-gate/remedy-schema';
import { WaiverAgent } from '../../src/agents/dependency-gate/waiver';
import type { WaiverReport } from '../../src/agents/dependency-gate/waivers';
import type { Json } from '../../src/protocol/json';
import { applyRemedy } from './support/apply-remedy';
import { findAll, GateBench, type GateCase, runGate } from './support/gate-run';
import { integrityOf } from './support/lock-model';
import { plantedChange } from './support/lock-generator';
import { routePair } from './support/route-pairs';

interface Lock {
  readonly lockfileVersion: 3;
  readonly packages: Record<string, object>;
}

/** A lock whose project asks for these, and that holds these packages. */
function lock(dependencies: Record<string, string>, packages: Record<string, object>): Lock {
  const entries = Object.entries(packages).map(([location, facts]) => [
    `node_modules/${location}`,
    { version: '1.0.0', integrity: integrityOf(location), license: 'MIT', ...facts },
  ]);
  return { lockfileVersion: 3, packages: { '': { dependencies }, ...Object.fromEntries(entries) } };
}

async function benchOf(gate: GateCase): Promise<GateBench> {
  const bench = new GateBench(gate);
  await findAll(bench);
  await bench.verify();
  return bench;
}

async function remediesFor(gate: GateCase): Promise<RemedyReport> {
  return await (await benchOf(gate)).turn(new RemedyAgent(), 'remedy');
}

const SCRIPT = { hasInstallScript: true };

describe('a remedy', () => {
  test('keeps the version of the base where its dependents take it as well', async () => {
    const wants = { owner: '^1.0.0' };
    const base = lock(wants, { owner: { dependencies: { tool: '^1.0.0' } }, tool: {} });
    const head = lock(wants, {
      owner: { dependencies: { tool: '^1.0.0' } },
      tool: { version: '1.1.0', integrity: integrityOf('tool@1.1'), ...SCRIPT },
    });
    const { remedies, unproven } = await remediesFor({ head, base });
    expect(unproven).toEqual([]);
    expect(remedies).toMatchObject([
      {
        action: 'keep-base',
        amendments: [{ op: 'take', location: 'node_modules/tool', from: 'node_modules/tool' }],
        proof: { high: { before: 1, after: 0 }, changeCount: 1 },
      },
    ]);
  });

  test('lets the project not ask for what brought it in', async () => {
    const base = lock({}, {});
    const head = lock(
      { owner: '^1.0.0' },
      { owner: { dependencies: { tool: '^1.0.0' } }, tool: { ...SCRIPT } },
    );
    const { remedies } = await remediesFor({ head, base });
    expect(remedies).toMatchObject([
      {
        action: 'undo-direct',
        amendments: [{ op: 'ask', in: '', name: 'owner', as: null, range: null }],
        proof: { high: { after: 0 }, changeCount: 2 },
      },
    ]);
  });

  test('pins what a package asks for to what the base has, where nothing else is left', async () => {
    // The owner was there, as it is, and so was another copy of the tool; only the resolution is new.
    const asking = {
      owner: { dependencies: { tool: '^2.0.0' } },
      other: { dependencies: { tool: '^1.0.0' } },
    };
    const wants = { owner: '^1.0.0', other: '^1.0.0' };
    const base = lock(wants, { ...asking, tool: {} });
    const head = lock(wants, {
      ...asking,
      tool: {},
      'owner/node_modules/tool': { version: '2.0.0', integrity: integrityOf('tool@2'), ...SCRIPT },
    });
    const { remedies } = await remediesFor({ head, base });
    expect(remedies).toMatchObject([{ action: 'override', overrides: { tool: '1.0.0' } }]);
  });

  test('is not proven where nothing in the locks removes the finding, and it says what was tried', async () => {
    const wants = { owner: '^1.0.0' };
    const base = lock(wants, { owner: {} });
    const head = lock(wants, { owner: { dependencies: { tool: '^1.0.0' } }, tool: { ...SCRIPT } });
    const version1 = {
      lockfileVersion: 1,
      dependencies: {
        tool: { version: '1.0.0', resolved: 'http://packages.example.com/tool/-/tool-1.0.0.tgz' },
      },
    };
    // What was there before wants no remedy.
    const same = await remediesFor({ head, base: { ...base, packages: { ...head.packages } } });
    expect(same).toMatchObject({ remedies: [], counts: { wanted: 0 } });
    const old = await remediesFor({ head: version1 });
    expect(old.remedies).toEqual([]);
    expect(old.unproven.map(({ why }) => why)).toEqual(
      old.unproven.map(() => expect.stringMatching(/does not say what the project asks for/)),
    );
    expect(old.unproven.length).toBeGreaterThan(0);
    const stuck = await remediesFor({ head, base });
    expect(stuck).toMatchObject({
      remedies: [],
      unproven: [{ package: 'tool', why: expect.stringMatching(/^Nothing in the two locks/) }],
    });
  });

  test('never trades one high finding for another', async () => {
    const base = lock(
      { tool: '^1.0.0' },
      { tool: { license: 'MIT', dependencies: { gone: '^1.0.0' } }, gone: {} },
    );
    const head = lock(
      { tool: '^2.0.0' },
      { tool: { version: '2.0.0', integrity: integrityOf('tool@2'), ...SCRIPT } },
    );
    const bad = structuredClone(base);
    // Back in the base's tree stands what is no better: a package without integrity, which would come in anew.
    bad.packages['node_modules/gone'] = { version: '1.0.0', license: 'MIT' };
    expect((await remediesFor({ head, base })).remedies).toHaveLength(1);
    const { remedies, unproven } = await remediesFor({ head, base: bad });
    const after = remedies.flatMap(({ proof }) => proof.high.after);
    expect([after, unproven.length]).toEqual([remedies.map(() => 0), remedies.length === 0 ? 1 : 0]);
  });
});

describe('proofs', () => {
  const cases = Array.from({ length: 30 }, (_, seed) => plantedChange(seed)).filter(
    ({ dialect }) => dialect.version !== 1,
  );

  test('are so in every generated project, recomputed without the product applying anything', async () => {
    let proven = 0;
    for (const { head, base } of cases) {
      const { findings, remedies } = await runGate({ head, base });
      for (const remedy of remedies?.remedies ?? []) {
        await expectProven(remedy, { head, base, findings });
        proven += 1;
      }
    }
    expect(proven).toBeGreaterThan(25);
  }, 120_000);

  test('are so in the prepared pair', async () => {
    const [head, base] = [routePair('remedy').head, routePair('remedy').base].map(
      (bytes) => JSON.parse(bytes.toString()) as object,
    ) as [object, object];
    const { findings, remedies } = await runGate({ head, base });
    expect(remedies?.remedies.map(({ action }) => action).toSorted()).toEqual([
      'keep-base',
      'undo-direct',
      'undo-direct',
    ]);
    for (const remedy of remedies?.remedies ?? []) await expectProven(remedy, { head, base, findings });
  });
});

async function expectProven(
  remedy: Remedy,
  {
    head,
    base,
    findings,
  }: { readonly head: object; readonly base: object; readonly findings: readonly Finding[] },
): Promise<void> {
  const amended = applyRemedy(head, base, remedy);
  const bench = new GateBench({ head: amended, base });
  const high = (all: readonly Finding[]): readonly string[] =>
    all.filter(({ severity }) => severity === 'high').map(({ id }) => id);
  const [before, after] = [high(findings), high(await findAll(bench))];
  expect(after.filter((id) => !before.includes(id))).toEqual([]);
  expect(remedy.proof.high).toEqual({ before: before.length, after: after.length });
  for (const id of remedy.proof.gone)
    expect([before.includes(id), after.includes(id)]).toEqual([true, false]);
  const locations = (lockFile: object): readonly string[] =>
    Object.keys((lockFile as { packages: object }).packages).toSorted();
  const removed = remedy.proof.changes.filter(({ change }) => change === 'removed');
  if (remedy.proof.changeCount === remedy.proof.changes.length)
    for (const { location } of removed) expect(locations(amended)).not.toContain(location);
}

describe('the judge', () => {
  const pair = routePair('remedy');

  async function judged(spoil: (report: RemedyReport) => unknown): Promise<Judgement> {
    const bench = await benchOf(pair);
    const report = await bench.turn(new RemedyAgent(), 'remedy');
    bench.says('remedy', JSON.parse(JSON.stringify(spoil(structuredClone(report)))) as Json);
    return (await bench.turn(new Evaluator(), 'evaluator', {
      options: { judge: { proposals: 'remedies' } },
      as: 'judge-remedies',
    })) as Judgement;
  }

  const only = (report: RemedyReport, change: (first: Remedy) => object): object => {
    const [first, ...others] = report.remedies;
    return first === undefined
      ? report
      : { ...report, remedies: [{ ...first, ...change(first) }, ...others] };
  };

  test('passes what is proven', async () => {
    expect(await judged((report) => report)).toMatchObject({ verdict: 'pass', score: 1, rejected: [] });
  });

  test.each<[string, (report: RemedyReport) => unknown, RegExp]>([
    [
      'claims that more goes than does',
      (report) =>
        only(report, (first) => ({
          proof: { ...first.proof, gone: [...first.proof.gone, ...(report.remedies[1]?.proof.gone ?? [])] },
        })),
      /follows from the changed lock as well/,
    ],
    [
      'hides what it changes',
      (report) => only(report, ({ proof }) => ({ proof: { ...proof, changes: [], changeCount: 0 } })),
      /its proof is another/,
    ],
    [
      'changes nothing',
      (report) =>
        only(report, () => ({ amendments: [{ op: 'ask', in: '', name: 'nothing', as: null, range: null }] })),
      /the finding follows from the changed lock as well/,
    ],
    [
      'takes what the base does not have',
      (report) =>
        only(report, () => ({
          amendments: [{ op: 'take', location: 'node_modules/a', from: 'node_modules/a' }],
        })),
      /the base has no package at/,
    ],
    [
      'asks in a manifest that is none',
      (report) =>
        only(report, () => ({
          amendments: [{ op: 'ask', in: 'node_modules/header-bag', name: 'a', as: null, range: null }],
        })),
      /is no manifest of the project/,
    ],
    [
      'takes the place of the project itself',
      (report) =>
        only(report, () => ({ amendments: [{ op: 'take', location: '', from: 'node_modules/header-bag' }] })),
      /part of the project itself/,
    ],
    [
      'is listed twice',
      (report) => ({ ...report, remedies: [...report.remedies, report.remedies[0]] }),
      /listed twice/,
    ],
    ['is no report', () => ({ remedies: 'all is well' }), /nothing that can be judged/],
  ])('sends back one that %s', async (_, spoil, reason) => {
    const { verdict, rejected } = await judged(spoil);
    expect([verdict, rejected.length]).toEqual(['fail', 1]);
    expect(rejected[0]?.reason).toMatch(reason);
  });

  test('names what nothing was said about', async () => {
    const { verdict, leftOut } = await judged((report) => ({
      ...report,
      remedies: report.remedies.slice(1),
    }));
    expect([verdict, leftOut.length]).toEqual(['fail', 1]);
  });

  test('sends back the later of two that hold alone and contradict each other', async () => {
    const wants = { owner: '^1.0.0', other: '^1.0.0', older: '^1.0.0' };
    const asking = {
      owner: { dependencies: { tool: '^2.0.0' } },
      other: { dependencies: { tool: '^1.0.0' } },
      older: { dependencies: { tool: '^0.9.0' } },
      tool: {},
      'older/node_modules/tool': { version: '0.9.0', integrity: integrityOf('tool@0.9') },
    };
    const bad = { version: '2.0.0', integrity: integrityOf('tool@2'), ...SCRIPT };
    const head = lock(wants, { ...asking, 'owner/node_modules/tool': bad });
    const bench = await benchOf({ head, base: lock(wants, asking) });
    const one = await bench.turn(new RemedyAgent(), 'remedy');
    bench.says('evaluator', sendingBack(one.remedies[0]?.id ?? '', 'so that there are two'));
    const other = await bench.turn(new RemedyAgent(), 'remedy');
    expect([one, other].map(({ remedies }) => remedies.map(({ overrides }) => overrides))).toEqual([
      [{ tool: '1.0.0' }],
      [{ tool: '0.9.0' }],
    ]);
    const remedies = [...one.remedies, ...other.remedies];
    bench.says('remedy', JSON.parse(JSON.stringify({ ...one, remedies })) as Json);
    const options = { judge: { proposals: 'remedies' } };
    expect(await bench.turn(new Evaluator(), 'evaluator', { options })).toMatchObject({
      verdict: 'fail',
      holds: [remedies[0]?.id],
      rejected: [{ id: remedies[1]?.id, reason: expect.stringMatching(/^beside remedy-\w+: both /) }],
    });
  });

  test('has the agent find another way for what it sent back', async () => {
    const bench = await benchOf(pair);
    const report = await bench.turn(new RemedyAgent(), 'remedy');
    const [first] = report.remedies;
    bench.says('evaluator', sendingBack(first?.id ?? '', 'it contradicts another'));
    const again = await bench.turn(new RemedyAgent(), 'remedy');
    expect(again.remedies.map(({ id }) => id)).not.toContain(first?.id);
    const gone = again.remedies.flatMap(({ proof }) => proof.gone);
    const told = again.unproven.filter(({ why }) => why.includes('sent back, it contradicts another'));
    for (const id of first?.proof.gone ?? [])
      expect(gone.includes(id) || told.some(({ finding }) => finding === id)).toBe(true);
  });
});

function sendingBack(id: string, reason: string): Json {
  const rejected = [{ id, reason }];
  const rest = { score: 0, text: '', proposals: 'remedies', holds: [], leftOut: [], unlisted: 0 };
  return { verdict: 'fail', rejected, ...rest };
}

describe('waivers', () => {
  const pair = routePair('waive');

  async function judged(spoil: (report: WaiverReport) => unknown): Promise<Judgement> {
    const bench = await benchOf(pair);
    const report = await bench.turn(new WaiverAgent(), 'waiver');
    bench.says('waiver', JSON.parse(JSON.stringify(spoil(structuredClone(report)))) as Json);
    const options = { judge: { proposals: 'waivers' } };
    return (await bench.turn(new Evaluator(), 'evaluator', { options })) as Judgement;
  }

  test('are written for every high finding of development, the same in every run', async () => {
    const [one, other] = [await runGate(pair), await runGate(pair)];
    expect(one.waivers).toEqual(other.waivers);
    expect(one.waivers?.waivers.map(({ finding }) => finding).toSorted()).toEqual(
      one.findings
        .filter(({ severity }) => severity === 'high')
        .map(({ id }) => id)
        .toSorted(),
    );
    expect(one.waivers?.waivers.map(({ expiry }) => expiry)).toEqual(
      expect.arrayContaining([
        { days: 90, rule: 'script' },
        { days: 30, rule: 'origin' },
      ]),
    );
    for (const { holdsWhile } of one.waivers?.waivers ?? [])
      expect(holdsWhile.map(({ pointer }) => pointer.split('/').at(-1))).toEqual(
        expect.arrayContaining(['version', 'integrity', 'dev']),
      );
  });

  const changed =
    (change: object) =>
    ({ waivers: [first, ...others], omitted }: WaiverReport): object => ({
      waivers: [{ ...first, ...change }, ...others],
      omitted,
    });

  test.each<[string, (report: WaiverReport) => unknown, RegExp]>([
    ['longer', changed({ expiry: { days: 4_000, rule: 'script' } }), /its expiry/],
    ['with another reason', changed({ reason: 'Trust me.' }), /its reason/],
    [
      'bound to less',
      changed({ holdsWhile: [{ file: 'head', pointer: '/name', value: 'storefront' }] }),
      /its holdsWhile/,
    ],
    [
      'for another finding',
      changed({ finding: 'install-script-000000000000' }),
      /no high finding of that id/,
    ],
    [
      'for any version',
      changed({ scope: { environment: 'development', package: '*', version: null, location: '', path: [] } }),
      /its scope/,
    ],
  ])('go back where one is %s', async (_, spoil, reason) => {
    const { verdict, rejected } = await judged(spoil);
    expect(verdict).toBe('fail');
    expect(rejected).toEqual([expect.objectContaining({ reason: expect.stringMatching(reason) })]);
  });

  test('do not turn the verdict by themselves; a rule of the plan may let them', async () => {
    const rules = [
      {
        id: 'signed',
        when: { waived: true, dev: true },
        verdict: 'merge',
        reason: 'Waivers are signed elsewhere.',
      },
    ];
    expect((await runGate(pair)).policy.verdict).toBe('waive');
    expect((await runGate({ ...pair, policy: { rules } })).policy.verdict).toBe('merge');
    // What was not judged is no waiver.
    expect((await runGate({ ...pair, policy: { rules, judgedBy: 'nobody' } })).policy.verdict).toBe('waive');
    expect((await runGate({ ...routePair('remedy'), policy: { rules } })).policy.verdict).toBe('block');
  });
});

describe('a lock made to keep the agent at work', () => {
  test('of three hundred production findings, each by itself, ends with bounded proofs and says what was not tried', async () => {
    const wants: Record<string, string> = {};
    const packages: Record<string, object> = {};
    for (let at = 0; at < 300; at++) {
      wants[`tool-${at}`] = '^1.0.0';
      packages[`tool-${at}`] = { ...SCRIPT };
    }
    const { remedies, unproven, alsoUnproven, counts } = await remediesFor({
      head: lock(wants, packages),
      base: lock({}, {}),
    });
    expect([remedies.length, unproven.length, alsoUnproven.length]).toEqual([20, 200, 80]);
    expect(counts).toEqual({ wanted: 300, remedied: 20, unproven: 280 });
    expect(unproven[0]?.why).toMatch(/^Not tried/);
  }, 60_000);

  test('of packages that require each other in circles, and whose base does so too, comes to an end', async () => {
    const circle = (version: string, facts: object): Record<string, object> =>
      Object.fromEntries(
        Array.from({ length: 400 }, (_, at) => [
          `ring-${at}`,
          {
            version,
            integrity: integrityOf(`ring-${at}@${version}`),
            dependencies: {
              [`ring-${(at + 1) % 400}`]: `^${version}`,
              [`ring-${(at * 7) % 400}`]: `^${version}`,
            },
            ...facts,
          },
        ]),
      );
    const head = lock({ 'ring-0': '^2.0.0' }, circle('2.0.0', SCRIPT));
    const base = lock({ 'ring-0': '^1.0.0' }, circle('1.0.0', {}));
    const { counts } = await remediesFor({ head, base });
    expect(counts.remedied + counts.unproven).toBe(400);
  }, 60_000);
});
