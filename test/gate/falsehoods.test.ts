import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Policy } from '../../src/agents/dependency-gate/policy';
import type { Struck } from '../../src/agents/tools/verify/verify';
import { resolvePointer } from '../../src/agents/tools/lockfile/pointer';
import type { Json } from '../../src/protocol/json';
import { FALSEHOODS } from './support/falsehoods';
import { GateBench, type GateCase, findAll, runGate } from './support/gate-run';
import { plantedChange } from './support/lock-generator';
import { Random } from './support/random';

const EXAMPLE = join(__dirname, '..', '..', 'examples', 'dependency-gate');
const lockIn = (file: string): object => JSON.parse(readFileSync(join(EXAMPLE, file), 'utf8')) as object;
const examplePair = { head: lockIn('head.package-lock.json'), base: lockIn('base.package-lock.json') };
const SEEDS = Array.from({ length: process.env['ENSEMBLE_TEST_LONG'] === '1' ? 240 : 30 }, (_, seed) => seed);

interface Planting {
  readonly planted: readonly { readonly name: string; readonly finding: Json }[];
  readonly struck: readonly Struck[];
  readonly standing: readonly Json[];
  readonly truths: readonly Json[];
}

/** Plants one falsehood of each kind among all true findings, in an order of chance, and has the evaluator look. */
async function plant(gate: GateCase & { readonly head: object }, seed: number): Promise<Planting> {
  const random = new Random(seed);
  const bench = new GateBench(gate);
  const findings = await findAll(bench);
  const truths = findings.map((finding) => JSON.parse(JSON.stringify(finding)) as Json);
  const files = { head: gate.head, base: (gate.base ?? null) as object | null };
  const planted = FALSEHOODS.flatMap(({ name, falsify }) => {
    const able = findings.flatMap((finding) => falsify({ finding, ...files }) ?? []);
    return able.length === 0 ? [] : [{ name, finding: random.pick(able) }];
  });
  const all = random.some([...truths, ...planted.map(({ finding }) => finding)], Infinity);
  bench.says('liar', { findings: all, omitted: 0 });
  const { struck, reports } = await bench.verify();
  return { planted, struck, standing: reports['liar']?.findings ?? [], truths };
}

const sorted = (findings: readonly Json[]): readonly string[] =>
  findings.map((one) => JSON.stringify(one)).toSorted();

/** What the struck finding says of its place must be what the file holds there. */
function expectCited({ file, pointer, found, reason }: Struck, gate: GateCase): void {
  expect(reason).toMatch(/\w/);
  const document = file === 'base' ? (gate.base ?? null) : gate.head;
  const stands = resolvePointer(document as Json, pointer);
  if ('absent' in found) expect([pointer, stands]).toEqual([pointer, undefined]);
  else if ('value' in found) expect([pointer, stands]).toEqual([pointer, found.value]);
  else expect(typeof stands).toBe('object');
}

describe('of the example', () => {
  test('every kind of falsehood is struck, and nothing that is true', async () => {
    const { planted, struck, standing, truths } = await plant(examplePair, 1);
    expect(planted.map(({ name }) => name)).toEqual(FALSEHOODS.map(({ name }) => name));
    expect(struck).toHaveLength(planted.length);
    expect(sorted(standing)).toEqual(sorted(truths));
    for (const one of struck) expectCited(one, examplePair);
  });

  test.each(FALSEHOODS)('$name is struck alone, with the place that shows it', async ({ falsify }) => {
    const { findings } = await runGate(examplePair);
    for (const finding of findings) {
      const lie = falsify({ finding, ...examplePair });
      if (lie === null) continue;
      const bench = new GateBench(examplePair);
      bench.says('liar', { findings: [finding, lie] });
      const { struck, reports, verdict, checked } = await bench.verify();
      expect({ verdict, checked, standing: reports['liar']?.findings }).toEqual({
        verdict: 'fail',
        checked: 2,
        standing: [finding],
      });
      expect(struck).toMatchObject([{ agent: 'liar', id: (lie as { id: string }).id }]);
      for (const one of struck) expectCited(one, examplePair);
    }
  });

  test('the places and words are those that a reader can follow', async () => {
    const { findings } = await runGate(examplePair);
    const finding = findings.find(({ package: name }) => name === 'pixel-forge');
    if (finding === undefined) throw new Error('the example has no pixel-forge');
    const told = await Promise.all(
      FALSEHOODS.map(async ({ name, falsify }) => {
        const bench = new GateBench(examplePair);
        bench.says('liar', {
          findings: [falsify({ finding, ...examplePair })].filter((one) => one !== null),
        });
        const { struck } = await bench.verify();
        return struck.map(({ file, pointer, reason }) => [name, `${file} ${pointer}`, reason]);
      }),
    );
    const entry = 'head /packages/node_modules~1pixel-forge';
    expect(told.flat()).toEqual([
      [FALSEHOODS[0]?.name, `${entry}/hasInstallScript`, 'another value stands there'],
      [FALSEHOODS[1]?.name, 'head /packages/node_modules~1never-there/version', 'nothing stands there'],
      [
        FALSEHOODS[2]?.name,
        `${entry}/hasInstallScript`,
        'it says that nothing stands there, but something does',
      ],
      [FALSEHOODS[3]?.name, entry, 'it speaks of "never-heard-of", but "pixel-forge" stands there'],
      [FALSEHOODS[4]?.name, `${entry}/version`, 'it speaks of version "66.6.6", but "6.0.2" stands there'],
      [FALSEHOODS[5]?.name, 'head /packages/node_modules~1never-there', 'no package stands at its location'],
      [
        FALSEHOODS[6]?.name,
        `${entry}/hasInstallScript`,
        'its severity is "info", but what stands there makes it "high"',
      ],
      [
        FALSEHOODS[7]?.name,
        `${entry}/hasInstallScript`,
        'size/large-package does not follow from what stands there',
      ],
      [
        FALSEHOODS[8]?.name,
        'head /packages/',
        'its path goes from "" to "node_modules/never-there", but the one does not require the other',
      ],
      [
        FALSEHOODS[9]?.name,
        'base /packages/node_modules~1pixel-forge',
        'it says changed, but the package was added',
      ],
      [
        FALSEHOODS[10]?.name,
        `${entry}/dev`,
        'it says development only, but the package is part of production',
      ],
      [
        FALSEHOODS[11]?.name,
        `${entry}/hasInstallScript`,
        'its claim is "pixel-forge steals passwords.", but what stands there makes it "pixel-forge@6.0.2 runs a script when it is installed."',
      ],
      [FALSEHOODS[12]?.name, 'head /requires', 'its check does not rest on this place'],
      [
        FALSEHOODS[13]?.name,
        entry,
        'it is no finding, evidence: Too small: expected array to have >=1 items',
      ],
      [
        FALSEHOODS[15]?.name,
        expect.stringMatching(/^base \/packages\/node_modules~1/),
        'the change did not bring in this package, nor alter it',
      ],
      [
        FALSEHOODS[16]?.name,
        `${entry}/hasInstallScript`,
        expect.stringMatching(/^its id is "install-script-0123456789ab", but what stands there makes it /),
      ],
    ]);
  });
});

test.each(SEEDS)('of seed %i every falsehood is struck, and nothing that is true', async (seed) => {
  const { head, base } = plantedChange(seed);
  const { planted, struck, standing, truths } = await plant({ head, base }, seed);
  expect({ seed, struck: struck.length, standing: sorted(standing) }).toEqual({
    seed,
    struck: planted.length,
    standing: sorted(truths),
  });
  for (const one of struck) expectCited(one, { head, base });
});

test('the seeds plant every falsehood', async () => {
  const counts = new Map<string, number>();
  for (const seed of SEEDS.slice(0, 9)) {
    const { head, base } = plantedChange(seed);
    const { planted } = await plant({ head, base }, seed);
    for (const { name } of planted) counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  expect(FALSEHOODS.map(({ name }) => name).filter((name) => !counts.has(name))).toEqual([]);
});

describe('an agent may hand on anything', () => {
  const outcomes = async (
    findings: readonly Json[],
    gate: GateCase = examplePair,
  ): Promise<readonly Struck[]> => {
    const bench = new GateBench(gate);
    bench.says('liar', { findings });
    return (await bench.verify()).struck;
  };

  test.each([
    [null],
    ['a text'],
    [7],
    [[]],
    [{}],
    [{ id: 'x', evidence: 'none' }],
    [{ location: '__proto__' }],
  ])('%j is struck', async (finding) => {
    const [struck] = await outcomes([finding as Json]);
    expect(struck?.reason).toMatch(/^it is no finding, /);
    expect(struck?.file).toBe('head');
  });

  test('evidence in a file that the run was not given proves nothing', async () => {
    const { findings } = await runGate(examplePair);
    const [finding] = findings;
    const evidence = [{ file: 'base', pointer: '/lockfileVersion', value: 3 }];
    expect(await outcomes([{ ...finding, evidence } as Json], { head: examplePair.head })).toMatchObject([
      { file: 'base', reason: 'there is no document base to cite', found: { absent: true } },
    ]);
  });

  test('what stands there is told by its size where it is large', async () => {
    const { findings } = await runGate(examplePair);
    const evidence = [{ file: 'head', pointer: '/packages', value: {} }];
    expect(await outcomes([{ ...findings[0], evidence } as Json])).toMatchObject([
      { found: { is: 'an object of 22 members' }, expected: { value: {} } },
    ]);
  });

  test('an output without findings is none, and its silence blocks', async () => {
    const bench = new GateBench(examplePair);
    bench.says('licence', { text: 'All is well.' });
    const { reports } = await bench.verify();
    expect(reports).toEqual({});
    expect(await bench.turn(new Policy(), 'policy')).toMatchObject({
      verdict: 'block',
      missing: ['licence', 'provenance', 'footprint'],
    });
  });
});
