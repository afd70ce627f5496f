import { type Dialect, LockModel } from './lock-model';
import type { Random } from './random';

const LICENCES = [
  'MIT',
  'ISC',
  'Apache-2.0',
  'GPL-3.0-only',
  'SEE LICENSE IN LICENSE.md',
  '(MIT OR GPL-2.0-only)',
  undefined,
];

/**
 * A project that was there before the change, full of what findings are made of: none of it may be reported, since
 * the change did not bring it in.
 */
export function baseProject(random: Random, dialect: Dialect): LockModel {
  const model = new LockModel(dialect);
  const names = Array.from({ length: 8 + random.below(14) }, (_, at) =>
    random.chance(0.3) ? `@scope-${at % 3}/lib-${at}` : `lib-${at}`,
  );
  for (const name of names) model.add(name, noise(random));
  wire(model, random, names);
  nestCopies(model, random, names);
  if (random.chance(0.5)) addAlias(model, random);
  if (random.chance(0.5)) addBundle(model);
  if (dialect.version !== 1) addPeers(model, random, names);
  if (dialect.version !== 1 && random.chance(0.6)) addWorkspaces(model, random, names);
  if (random.chance(0.5)) addLinkedFolder(model, random, names);
  addOddSources(model, random);
  // What an installed package needed to be developed is not installed, whatever its entry says.
  if (dialect.version !== 1)
    model.require(random.pick(names), { from: `node_modules/${names[0]}`, as: 'devDependencies' });
  return model;
}

function noise(random: Random): object {
  const license = random.pick(LICENCES);
  return {
    version: `${1 + random.below(3)}.${random.below(10)}.${random.below(10)}`,
    ...(license === undefined ? { license: undefined } : { license }),
    ...(random.chance(0.2) ? { hasInstallScript: true } : {}),
    ...(random.chance(0.3) ? { engines: { node: random.pick(['>=18', '>=22', '^20 || ^22', '*']) } } : {}),
    ...(random.chance(0.1) ? { deprecated: 'use something else' } : {}),
  };
}

function wire(model: LockModel, random: Random, names: readonly string[]): void {
  names.forEach((name, at) => {
    const as = random.pick([
      'dependencies',
      'dependencies',
      'devDependencies',
      'optionalDependencies',
    ] as const);
    // Everything is required by somebody: by the root, or by a package before it.
    if (at === 0 || random.chance(0.4)) model.require(name, { as, range: '^1.0.0' });
    else model.require(name, { from: `node_modules/${random.pick(names.slice(0, at))}`, range: '^1.0.0' });
    // Later packages may require earlier ones, so there are cycles.
    if (random.chance(0.3))
      model.require(random.pick(names), { from: `node_modules/${name}`, range: '~1.0.0' });
    if (random.chance(0.15)) {
      model.require('never-installed', {
        from: `node_modules/${name}`,
        as: 'optionalDependencies',
        range: '1',
      });
    }
  });
}

function nestCopies(model: LockModel, random: Random, names: readonly string[]): void {
  for (const name of random.some(names, 3)) {
    const under = `node_modules/${random.pick(names)}`;
    if (under.endsWith(`/${name}`)) continue;
    const nested = model.add(name, { under, version: '9.0.0' });
    model.require(name, { from: under, range: '^9.0.0' });
    if (random.chance(0.5)) model.require(random.pick(names), { from: nested });
    if (!random.chance(0.5)) continue;
    const deeper = model.add(`deep-${name.split('/').at(-1)}`, { under: nested, version: '0.1.0' });
    model.require(deeper.split('node_modules/').at(-1) ?? '', { from: nested });
  }
}

function addAlias(model: LockModel, random: Random): void {
  model.add('alias-of-lib', {
    name: random.chance(0.5) ? '@real/package' : 'real-package',
    version: '4.5.6',
  });
  model.require('alias-of-lib', { range: 'npm:real-package@^4.0.0' });
}

function addBundle(model: LockModel): void {
  const owner = model.add('bundler', { bundleDependencies: ['bundled-one', 'bundled-two'] });
  model.require('bundler');
  for (const name of ['bundled-one', 'bundled-two']) {
    const location = model.add(name, { under: owner, inBundle: true });
    delete model.at(location).resolved;
    delete model.at(location).integrity;
    model.require(name, { from: owner });
  }
}

function addPeers(model: LockModel, random: Random, names: readonly string[]): void {
  model.add('needs-peers');
  model.require('needs-peers', { as: random.pick(['dependencies', 'devDependencies'] as const) });
  const from = 'node_modules/needs-peers';
  model.require(random.pick(names), { from, as: 'peerDependencies', range: '>=1' });
  model.add('only-a-peer');
  model.require('only-a-peer', { from, as: 'peerDependencies' });
  model.require('absent-optional-peer', { from, as: 'peerDependencies' });
  model.require(random.pick(names), { from, as: 'peerDependencies' });
  model.at(from).peerDependenciesMeta = { 'absent-optional-peer': { optional: true } };
}

function addWorkspaces(model: LockModel, random: Random, names: readonly string[]): void {
  model.at('').workspaces = random.pick([
    ['packages/*', 'packages/@team/*'],
    ['./packages/**', '!packages/none'],
    ['packages/one', './packages/@team/*'],
    ['packages/{one,@team/two}'],
  ]);
  for (const [folder, name] of [
    ['packages/one', 'one'],
    ['packages/@team/two', '@team/two'],
  ] as const) {
    model.entries.set(folder, { name, version: '0.0.1', license: 'UNLICENSED' });
    model.entries.set(`node_modules/${name}`, { resolved: folder, link: true });
    model.require(random.pick(names), { from: folder });
    const nested = model.add('nested-in-workspace', { under: folder, version: '3.3.3' });
    model.require('nested-in-workspace', { from: folder, as: 'devDependencies' });
    model.require(random.pick(names), { from: nested });
  }
  model.require('one', { from: 'packages/@team/two', range: '0.0.1' });
  // The root may also name its workspace as a dependency; it is one wish all the same.
  if (random.chance(0.5)) model.require('one', { range: '0.0.1', as: 'devDependencies' });
}

function addLinkedFolder(model: LockModel, random: Random, names: readonly string[]): void {
  const folder = random.chance(0.5) ? 'vendor/shared' : '../shared';
  model.entries.set(folder, { version: '0.0.0' });
  model.entries.set('node_modules/shared', { resolved: folder, link: true });
  model.require('shared', { range: `file:${folder}` });
  model.require(random.pick(names), { from: folder });
  model.add('nested-in-folder', { under: folder });
  model.require('nested-in-folder', { from: folder });
}

function addOddSources(model: LockModel, random: Random): void {
  const commit = 'a'.repeat(40);
  const odd: readonly (readonly [string, string])[] = [
    ['from-git', `git+ssh://git@git.example.com/team/from-git.git#${commit}`],
    ['from-tarball', 'https://files.example.com/from-tarball-1.0.0.tgz'],
    ['from-file', 'file:vendor/from-file-1.0.0.tgz'],
    ['over-http', 'http://packages.example.com/over-http/-/over-http-1.0.0.tgz'],
  ];
  for (const [name, resolved] of random.some(odd, 2)) {
    model.add(name, { resolved });
    if (resolved.startsWith('git')) delete model.at(`node_modules/${name}`).integrity;
    model.require(name, { range: resolved });
  }
}
