import { buildGraph } from '../../src/agents/tools/lockfile/graph';
import { parseLock } from '../../src/agents/tools/lockfile/parse';
import { resolvePointer } from '../../src/agents/tools/lockfile/pointer';
import { type LockSide, sideOf } from '../../src/agents/tools/lockfile/diff';
import type { Finding } from '../../src/agents/dependency-gate/finding';
import type { Json } from '../../src/protocol/json';
import { developmentLocations, directLocations, factsOfGraph, factsOfNpm } from './support/facts-of';
import { runGate } from './support/gate-run';
import { plantedChange } from './support/lock-generator';
import { NpmProject } from './support/npm-query';
import type { Expected } from './support/plant';
import { PLANTS } from './support/plants';

const COUNT = process.env['ENSEMBLE_TEST_LONG'] === '1' ? 240 : 30;
const CHANGES = Array.from({ length: COUNT }, (_, seed) => plantedChange(seed));
const cases = CHANGES.map(
  (change) => [`seed ${change.seed}, version ${change.dialect.version}`, change] as const,
);

test.each(cases)('%s: the facts are those of npm query', async (_, change) => {
  const side = await sideFrom(change.head);
  using project = new NpmProject(change.files);
  const npm = factsOfNpm(await project.query('*'));
  const ours = factsOfGraph(side.graph);
  // The root of a version 1 lock has the name of the folder it lies in, which the gate is not told.
  if (change.dialect.version === 1) expect(ours.get('')).toMatchObject({ dev: false });
  // Nobody asks for them, and the lock does not call them development packages: npm presents its default, the gate the lock.
  const defaults = new Set(
    [...npm].flatMap(([location, { dev, from }]) =>
      dev === true && Array.isArray(from) && from.length === 0 && ours.get(location)?.['dev'] === false
        ? [location]
        : [],
    ),
  );
  const stated = new Map(
    [...npm].map(([at, facts]) => [at, defaults.has(at) ? { ...facts, dev: false } : facts]),
  );
  expect(Object.fromEntries(ours)).toEqual(Object.fromEntries(stated));
  if (change.seed % 5 !== 0) return;
  // What the root of a version 1 lock asks for is not in it.
  if (side.graph.rootKnown)
    expect(directLocations(side)).toEqual(locationsOf(await project.query(':root > *')));
  const development = locationsOf(await project.query('.dev')).filter((location) => !defaults.has(location));
  expect(developmentLocations(side)).toEqual(development);
  expect(licensed(side, 'MIT')).toEqual(locationsOf(await project.query('[license=MIT]')));
});

test.each(cases)('%s: the findings are those that were planted', async (_, change) => {
  const { findings } = await runGate({ head: change.head, base: change.base });
  expect({ plants: change.plants, found: linesOf(findings) }).toEqual({
    plants: change.plants,
    found: linesOf(change.expected),
  });
});

test.each(cases)('%s: every finding cites what the file says, and a path that exists', async (_, change) => {
  const { findings } = await runGate({ head: change.head, base: change.base });
  const side = await sideFrom(change.head);
  for (const finding of findings) {
    for (const evidence of finding.evidence) {
      const value = resolvePointer(
        (evidence.file === 'base' ? change.base : change.head) as Json,
        evidence.pointer,
      );
      expect([finding.claim, evidence.pointer, value]).toEqual([
        finding.claim,
        evidence.pointer,
        'absent' in evidence ? undefined : evidence.value,
      ]);
    }
    expect(isChain(side, finding)).toBe(true);
  }
});

test('the same findings have the same ids in every run, and no two share one', async () => {
  for (const { head, base } of CHANGES.slice(0, 6)) {
    const [first, second] = [await runGate({ head, base }), await runGate({ head, base })];
    const ids = first.findings.map(({ id }) => id);
    expect(second.findings.map(({ id }) => id)).toEqual(ids);
    expect(new Set(ids).size).toBe(ids.length);
  }
});

test('the seeds cover every plant, every lock version and every kind of entry', () => {
  const planted = new Set(CHANGES.flatMap(({ plants }) => plants));
  expect(PLANTS.filter(({ name }) => !planted.has(name)).map(({ name }) => name)).toEqual([]);
  const text = JSON.stringify(CHANGES.map(({ head }) => head));
  const kinds = {
    versions: [/"lockfileVersion":1/, /"lockfileVersion":2/, /"lockfileVersion":3/],
    workspaces: [/"workspaces":/, /"packages\/@team\/two"/],
    links: [/"link":true/, /"\.\.\/shared"/, /"vendor\/shared"/, /"version":"file:vendor\/shared"/],
    peers: [/"peerDependencies"/, /"peerDependenciesMeta"/, /"peer":true/],
    flags: [/"dev":true/, /"optional":true/, /"devOptional":true/, /"bundled":true/, /"inBundle":true/],
    aliases: [/"name":"real-package"/, /"version":"npm:/],
    nesting: [
      /node_modules\/[^"]+\/node_modules\/[^"]+\/node_modules\//,
      /node_modules\/@scope-\d\/lib-\d+\/node_modules/,
    ],
    sources: [/"git\+ssh:/, /"file:[^"]+\.tgz"/, /"http:/, /"https:/],
  };
  const absent = Object.values(kinds)
    .flat()
    .filter((kind) => !kind.test(text));
  expect(absent).toEqual([]);
});

async function sideFrom(document: object): Promise<LockSide> {
  const lock = await parseLock(Buffer.from(JSON.stringify(document)), 'package-lock.json');
  return await sideOf(await buildGraph(lock));
}

function locationsOf(nodes: readonly { readonly location: string }[]): readonly string[] {
  return [...new Set(nodes.map(({ location }) => location))].toSorted();
}

function licensed({ graph }: LockSide, licence: string): readonly string[] {
  const nodes = graph.nodes.filter(
    ({ entry, target }) => target === null && entry.raw['license'] === licence,
  );
  return locationsOf(nodes.map(({ entry }) => entry));
}

function linesOf(findings: readonly (Finding | Expected)[]): readonly string[] {
  return findings
    .map(({ kind, check, severity, package: name, version, location, dev, change }) => {
      const who =
        name === '*' ? '*' : `${name}@${version} at ${location} (${dev ? 'dev' : 'prod'}, ${change})`;
      return `${kind}/${check}/${severity}: ${who}`;
    })
    .toSorted();
}

/** Each location of the path must be required by the one before, and the last be the package's own. */
function isChain({ graph }: LockSide, { path, location }: Finding): boolean {
  const steps = path
    .slice(1)
    .every((to, at) =>
      graph.byLocation.get(path[at] ?? '')?.edgesOut.some((edge) => edge.to?.entry.location === to),
    );
  return steps && (path.length === 0 || path.at(-1) === location);
}
