import { AppError, FAILURES, type FailureCode } from '../../src/protocol/failures';
import { AgentManifest } from '../../src/protocol/agent';
import type { AgentClass } from '../../src/agents/base-agent';
import { Evaluator } from '../../src/agents/built-in/evaluator';
import { Footprint } from '../../src/agents/dependency-gate/footprint';
import { Graph } from '../../src/agents/dependency-gate/graph';
import { Inventory } from '../../src/agents/dependency-gate/inventory';
import { Licence } from '../../src/agents/dependency-gate/licence';
import { Policy } from '../../src/agents/dependency-gate/policy';
import { RemedyAgent } from '../../src/agents/dependency-gate/remedy';
import { WaiverAgent } from '../../src/agents/dependency-gate/waiver';
import { Provenance } from '../../src/agents/dependency-gate/provenance';
import { type GateReport, ReportWriter } from '../../src/agents/dependency-gate/report-writer';
import { gatePlan } from '../../src/cli/dependency-gate/plan';
import type { BlobRef } from '../../src/protocol/json';
import { Step } from '../../src/protocol/plan';
import { GateBench, findAll, runGate } from './support/gate-run';
import { integrityOf } from './support/lock-model';
import { plantedChange } from './support/lock-generator';

const CLASSES: readonly AgentClass[] = [
  Inventory,
  Licence,
  Provenance,
  Footprint,
  Evaluator,
  RemedyAgent,
  WaiverAgent,
  Policy,
  ReportWriter,
  Graph,
];

async function codeOf(deed: Promise<unknown>): Promise<string> {
  const error: unknown = await deed.then(
    () => 'nothing was thrown',
    (thrown: unknown) => thrown,
  );
  return AppError.is(error) ? `${error.code}: ${error.message}` : String(error);
}

test('every agent has a valid manifest of its own, and the plan names them all', () => {
  const names = CLASSES.map(({ manifest }) => AgentManifest.parse(manifest).name);
  expect(new Set(names).size).toBe(CLASSES.length);
  const plan = Step.parse(gatePlan());
  const named = [...JSON.stringify(plan).matchAll(/"agent":"([a-z-]+)"/g)].map(([, name]) => name);
  expect(named).toEqual([
    'inventory',
    'licence',
    'provenance',
    'footprint',
    'evaluator',
    'remedy',
    'evaluator',
    'waiver',
    'evaluator',
    'policy',
    'graph',
    'report-writer',
  ]);
  expect(new Set(named)).toEqual(new Set(names));
});

test('every output is what its manifest promises, and small enough to travel', async () => {
  for (let seed = 0; seed < 12; seed++) {
    const { head, base } = plantedChange(seed);
    const out = await runGate({ head, base });
    const outputs = [
      out.inventory,
      out.licence,
      out.provenance,
      out.footprint,
      out.verification,
      out.remedies,
      out.waivers,
      out.policy,
      out.report,
      out.graph,
    ];
    CLASSES.forEach((agent, at) => {
      const { output } = AgentManifest.parse(agent.manifest);
      // A way that was not gone has no output.
      if (outputs[at] === undefined) return;
      expect(output.safeParse(JSON.parse(JSON.stringify(outputs[at])))).toMatchObject({ success: true });
    });
  }
});

describe('the inventory', () => {
  const lock = (packages: object): object => ({ lockfileVersion: 3, packages });

  test('says what was added, changed, moved and removed, and by which path it came in', async () => {
    const base = lock({
      '': { dependencies: { owner: '^1.0.0', gone: '1' } },
      'node_modules/owner': { version: '1.0.0', dependencies: { inner: '1' } },
      'node_modules/owner/node_modules/inner': { version: '1.0.0' },
      'node_modules/gone': { version: '1.0.0' },
    });
    const head = lock({
      '': { dependencies: { owner: '^2.0.0' }, devDependencies: { fresh: '1' } },
      'node_modules/owner': { version: '2.0.0', dependencies: { inner: '1', fresh: '1' } },
      'node_modules/inner': { version: '1.0.0' },
      'node_modules/fresh': { version: '1.0.0' },
    });
    const { inventory } = await runGate({ head, base });
    expect(inventory.counts).toEqual({ added: 1, changed: 1, moved: 1, removed: 1 });
    expect(inventory.changes).toMatchObject([
      {
        change: 'changed',
        package: 'owner',
        before: '1.0.0',
        after: '2.0.0',
        fields: ['version'],
        direct: true,
      },
      // The production path is told, although a development one is shorter.
      {
        change: 'added',
        package: 'fresh',
        path: ['', 'node_modules/owner', 'node_modules/fresh'],
        dev: false,
      },
      { change: 'removed', package: 'gone', before: '1.0.0', after: null, path: ['', 'node_modules/gone'] },
      {
        change: 'moved',
        package: 'inner',
        from: 'node_modules/owner/node_modules/inner',
        location: 'node_modules/inner',
      },
    ]);
    expect(inventory.direct).toEqual([
      { in: '', name: 'owner', type: 'prod', before: '^1.0.0', after: '^2.0.0' },
      { in: '', name: 'gone', type: 'prod', before: '1', after: null },
      { in: '', name: 'fresh', type: 'dev', before: null, after: '1' },
    ]);
  });

  test('starts a path at the workspace that asks', async () => {
    const { inventory } = await runGate({
      head: lock({
        '': { workspaces: ['packages/*'] },
        'packages/app': { version: '1.0.0', dependencies: { tool: '1' } },
        'node_modules/app': { link: true, resolved: 'packages/app' },
        'node_modules/tool': { version: '1.0.0' },
      }),
    });
    const tool = inventory.changes.find((change) => change.package === 'tool');
    expect(tool).toMatchObject({ path: ['packages/app', 'node_modules/tool'], direct: true });
  });

  test('of version 1 starts a path at what nothing else requires, since the root is not in the file', async () => {
    const dependencies = {
      top: { version: '1.0.0', requires: { below: '1' } },
      below: { version: '1.0.0', dev: true },
    };
    const { inventory } = await runGate({ head: { lockfileVersion: 1, requires: true, dependencies } });
    expect(inventory.changes).toMatchObject([
      { package: 'below', path: ['node_modules/top', 'node_modules/below'], direct: null, dev: true },
      { package: 'top', path: ['node_modules/top'], direct: null },
    ]);
  });

  test('does not take another way of writing the same packages for a change', async () => {
    const entry = { version: '1.0.0', integrity: 'sha512-x', license: 'MIT' };
    const modern = lock({
      '': { dependencies: { a: '1' } },
      'node_modules/a': { ...entry, resolved: 'https://packages.example.com/a/-/a-1.0.0.tgz' },
    });
    const legacy = {
      lockfileVersion: 1,
      requires: true,
      dependencies: { a: { version: '1.0.0', integrity: 'sha512-x' } },
    };
    const silent = lock({ '': { dependencies: { a: '1' } }, 'node_modules/a': entry });
    expect((await runGate({ base: legacy, head: silent })).inventory.changes).toEqual([]);
    expect((await runGate({ base: modern, head: legacy })).inventory.changes).toEqual([]);
    expect((await runGate({ base: modern, head: silent })).inventory.changes).toEqual([]);
  });
});

describe('what the lock alone cannot show', () => {
  const packages = {
    '': { dependencies: { big: '1', small: '1' }, engines: { node: '>=18' } },
    'node_modules/big': { version: '1.0.0', license: 'MIT', engines: { node: '^20 || >=22' } },
    'node_modules/small': { version: '1.0.0', license: 'MIT', engines: { node: '>=16' } },
  };
  const head = { lockfileVersion: 3, packages };

  test('installed sizes are taken where they were measured, and are unknown elsewhere', async () => {
    const installed = { 'node_modules/big': 40_000_000, 'node_modules/elsewhere': 1 };
    const { footprint, findings, report } = await runGate({ head, installed });
    expect(footprint.installed).toEqual({ bytes: 40_000_000, measured: 1, unmeasured: 1 });
    expect(findings.filter(({ kind }) => kind === 'size')).toMatchObject([
      {
        package: 'big',
        check: 'large-package',
        evidence: [{ file: 'installed', pointer: '/node_modules~1big', value: 40_000_000 }],
      },
    ]);
    expect(report.markdown).toContain('38.1 MiB (1 of 2 packages measured)');
    expect((await runGate({ head })).footprint.installed).toBeNull();
  });

  test('engines are held against the given Node.js, else against the root’s own range', async () => {
    const given = await runGate({ head, nodeVersion: 'v21.0.0' });
    expect(given.footprint.engineBasis).toEqual({ kind: 'version', node: '21.0.0' });
    expect(given.findings.filter(({ kind }) => kind === 'engine')).toMatchObject([
      { package: 'big', check: 'engine-unsupported', severity: 'high' },
    ]);
    const own = await runGate({ head });
    expect(own.findings.filter(({ kind }) => kind === 'engine')).toMatchObject([
      { package: 'big', check: 'engine-narrower', severity: 'low' },
    ]);
    const bare = await runGate({
      head: { lockfileVersion: 3, packages: { ...packages, '': { dependencies: { big: '1', small: '1' } } } },
    });
    expect(bare.footprint.engineBasis).toBeNull();
    expect(bare.findings.filter(({ kind }) => kind === 'engine')).toMatchObject([
      { package: '*', check: 'engine-basis-unknown', severity: 'unknown' },
    ]);
  });

  test('a lock that marks a production package as development is not believed', async () => {
    const lying = {
      ...packages,
      'node_modules/big': { ...packages['node_modules/big'], dev: true, hasInstallScript: true },
    };
    const { findings, report } = await runGate({ head: { lockfileVersion: 3, packages: lying } });
    expect(findings.map(({ check }) => check)).toContain('development-flag-wrong');
    expect(findings.find(({ kind }) => kind === 'install-script')).toMatchObject({ dev: false });
    expect(report.verdict).toBe('block');
  });
});

test('a registry that lays its tarballs out in its own way is a registry all the same', async () => {
  const integrity = integrityOf('any');
  const at = (path: string): object => ({
    version: '1.0.0',
    license: 'MIT',
    integrity,
    resolved: `https://packages.example.com/${path}`,
  });
  const packages = {
    '': { dependencies: { a: '1', b: '1', odd: '1' }, engines: { node: '>=20' } },
    'node_modules/a': at('a/-/a-1.0.0.tgz'),
    'node_modules/b': at('b/-/b-1.0.0.tgz'),
    'node_modules/odd': at('storage/odd/1.0.0.tgz'),
  };
  const { findings, policy } = await runGate({ head: { lockfileVersion: 3, packages } });
  expect([findings, policy.verdict]).toEqual([[], 'merge']);
});

describe('failures', () => {
  const head = plantedChange(0).head;

  test('of the input name what is wrong with it', async () => {
    const bench = new GateBench({ head: Buffer.from(''), headName: 'mine.json' });
    expect(await codeOf(bench.finding(new Inventory(), 'inventory'))).toBe(
      'INPUT_UNREADABLE: mine.json: the file is empty',
    );
    const base = new GateBench({ head, base: Buffer.from('{'), baseName: 'old.json' });
    expect(await codeOf(base.finding(new Licence(), 'licence'))).toMatch(
      /^INPUT_UNREADABLE: old\.json: not JSON/,
    );
    const task = { ...bench.task(null), input: { gate: { head: 'package-lock.json' } } };
    expect(await codeOf(new Inventory().execute(task, bench.context()))).toMatch(
      /^INPUT_INVALID: input\.gate\.head: /,
    );
    expect(await codeOf(new Inventory().execute({ ...task, input: {} }, bench.context()))).toMatch(
      /^INPUT_INVALID: input\.gate: /,
    );
  });

  test('of an earlier agent are named, not passed over', async () => {
    const bench = new GateBench({ head });
    expect(await codeOf(bench.turn(new ReportWriter(), 'report-writer'))).toMatch(
      /^AGENT_INPUT_INVALID: .*inventory/,
    );
    const odd = {
      ...bench.task(null),
      previous: [{ agent: 'licence', address: '0', read: async () => ({ findings: 'none' }) }],
    };
    expect(
      await codeOf(new Policy().execute({ ...odd, options: { verifiedBy: null } }, bench.context())),
    ).toMatch(/^AGENT_INPUT_INVALID: output of licence, findings: /);
  });

  test('of the evaluator leave nothing to believe: the policy blocks, unless a plan goes without it', async () => {
    const bench = new GateBench({ head: { lockfileVersion: 3, packages: {} } });
    await findAll(bench);
    expect(await bench.turn(new Policy(), 'policy')).toMatchObject({
      verdict: 'block',
      reason: 'Nothing came from evaluator, so nothing can be said for this change.',
      missing: ['evaluator'],
    });
    expect(await bench.turn(new Policy(), 'policy', { options: { verifiedBy: null } })).toMatchObject({
      verdict: 'merge',
      missing: [],
    });
  });

  describe('of the model', () => {
    const written = async (error: Error, signal?: AbortSignal): Promise<GateReport> => {
      const bench = new GateBench({ head });
      await bench.finding(new Inventory(), 'inventory');
      await bench.turn(new Policy(), 'policy', { options: { expect: [], verifiedBy: null } });
      bench.model.invoke = () => Promise.reject(error);
      return await new ReportWriter().execute(bench.task(null), bench.context(signal));
    };

    test.each(Object.keys(FAILURES).filter((code) => code.startsWith('MODEL_')))(
      '%s costs the report its paragraph, not the reader the verdict',
      async (code) => {
        const { verdict, summary, markdown } = await written(
          new AppError(code as FailureCode, 'the provider says `no` to <everybody>'),
        );
        expect(verdict).toBe('merge');
        expect(summary).toEqual({
          text: expect.stringMatching(/^This change may be merged\. There is nothing to compare with/),
          writtenBy: 'template',
          provider: 'told',
          model: 'told-1',
          rejected: `the model failed with ${code}: the provider says \`no\` to <everybody>`,
        });
        expect(markdown).toContain('_Summary from a template: the paragraph of told/told-1 was not taken, ');
        expect(markdown).toContain(code.replaceAll('_', '\\_'));
        expect(markdown).not.toContain('<everybody>');
      },
    );

    test('are none of these where the agent was cancelled, or something else failed', async () => {
      const cancelled = AbortSignal.abort(new Error('cancelled'));
      expect(await codeOf(written(new AppError('MODEL_TIMEOUT', 'late'), cancelled))).toBe(
        'MODEL_TIMEOUT: late',
      );
      expect(await codeOf(written(new AppError('DATABASE_UNAVAILABLE', 'gone')))).toBe(
        'DATABASE_UNAVAILABLE: gone',
      );
      await expect(written(new Error('cancelled'))).rejects.toThrow('cancelled');
    });
  });

  test('an agent that was cancelled hands nothing on', async () => {
    const bench = new GateBench({ head });
    const cancelled = bench.context(AbortSignal.abort(new Error('cancelled')));
    await expect(new Footprint().execute(bench.task(null), cancelled)).rejects.toThrow('cancelled');
  });

  test('agents that run side by side share one reading, and one that fails does not spoil the next', async () => {
    const bench = new GateBench({ head });
    let reads = 0;
    const context = bench.context();
    const read: typeof context.blobs.read = (ref) => context.blobs.read(ref);
    const counting = {
      ...context,
      blobs: { read: (ref: BlobRef) => (reads++, read(ref)) },
    };
    const task = bench.task(null);
    await Promise.all(
      [new Licence(), new Provenance(), new Footprint()].map((agent) => agent.execute(task, counting)),
    );
    expect(reads).toBe(1);
    const failing = {
      ...context,
      blobs: { read: () => Promise.reject(new AppError('DATABASE_UNAVAILABLE', 'gone')) },
    };
    expect(await codeOf(new Licence().execute(task, failing))).toBe('DATABASE_UNAVAILABLE: gone');
    await expect(new Licence().execute(task, context)).resolves.toBeDefined();
  });
});
