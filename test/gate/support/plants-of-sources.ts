import { type ModelEntry, addressOf } from './lock-model';
import { ALL, MODERN, type Plant, about, added, altered, high, low, source } from './plant';

const AGAIN = `git+ssh://git@git.example.com/team/again.git#${'b'.repeat(40)}`;
const GIT = `git+ssh://git@git.example.com/team/tool.git#${'c'.repeat(40)}`;
const TARBALL = 'https://files.example.com/tool-1.0.0.tgz';

export const SOURCE_PLANTS: readonly Plant[] = [
  source('git, asked for', GIT, { asked: GIT, said: [low('provenance', 'source-git')] }),
  source('git, without a commit', 'git+https://git.example.com/a/b.git#main', {
    asked: 'git+https://git.example.com/a/b.git',
    said: [high('provenance', 'git-not-pinned')],
  }),
  source('git, not asked for', GIT, { said: [high('provenance', 'source-not-requested')] }),
  source('git in the clear', `git://git.example.com/a/b.git#${'d'.repeat(40)}`, {
    asked: 'git://git.example.com/a/b.git',
    said: [high('provenance', 'insecure-transport'), low('provenance', 'source-git')],
  }),
  source('tarball, asked for', TARBALL, { asked: TARBALL, said: [low('provenance', 'source-tarball')] }),
  source('tarball, not asked for', TARBALL, { said: [high('provenance', 'source-not-requested')] }),
  source('file, asked for', 'file:vendor/tool-1.0.0.tgz', {
    asked: 'file:vendor/tool-1.0.0.tgz',
    said: [low('provenance', 'source-file')],
  }),
  {
    name: 'another host',
    versions: ALL,
    plant: (ground) => {
      const location = added(ground, { resolved: addressOf(ground.name, '1.0.0', 'mirror.example.net') });
      return [about(ground, location, high('provenance', 'host-unusual'))];
    },
  },
  {
    name: 'address of another package',
    versions: MODERN,
    plant: (ground) => {
      const location = added(ground, { resolved: addressOf('somebody-else', '1.0.0', 'mirror.example.net') });
      return ['address-of-another-package', 'host-unusual'].map((check) =>
        about(ground, location, high('provenance', check)),
      );
    },
  },
  {
    name: 'git, in version 1',
    versions: [1],
    plant: (ground) => {
      const location = added(ground, { resolved: GIT });
      delete ground.head.at(location).integrity;
      return [{ ...about(ground, location, low('provenance', 'source-git')), version: null }];
    },
  },
  {
    name: 'git, asked for by one of two',
    versions: MODERN,
    plant: (ground) => {
      const location = added(ground, { resolved: GIT }, GIT);
      delete ground.head.at(location).integrity;
      const other = added({ ...ground, name: `${ground.name}-owner` }, {});
      ground.head.require(ground.name, { from: other, range: '^1.0.0' });
      return [about(ground, location, low('provenance', 'source-git'))];
    },
  },
  {
    name: 'a host that this scope already came from',
    versions: ALL,
    plant: (ground) => {
      const scope = `@at-${ground.name.replaceAll(/\W/g, '')}`;
      const from = (name: string): ModelEntry => ({
        resolved: addressOf(name, '1.0.0', 'mirror.example.net'),
      });
      altered({ ...ground, name: `${scope}/old` }, from(`${scope}/old`), {});
      added({ ...ground, name: `${scope}/new` }, from(`${scope}/new`));
      return [];
    },
  },
  {
    name: 'another commit of the same version',
    versions: MODERN,
    plant: (ground) => {
      const location = altered(ground, { resolved: GIT }, { resolved: AGAIN });
      for (const model of [ground.base, ground.head]) {
        delete model.at(location).integrity;
        model.require(ground.name, {
          as: ground.dev ? 'devDependencies' : 'dependencies',
          range: 'git+ssh://git@git.example.com/team/again.git',
        });
      }
      return [low('provenance', 'source-git'), low('provenance', 'address-changed')].map((one) =>
        about(ground, location, { ...one, change: 'changed' }),
      );
    },
  },
  {
    name: 'another source of the same version',
    versions: MODERN,
    plant: (ground) => {
      const registry = addressOf(ground.name, '1.0.0');
      const location = altered(ground, { resolved: registry }, { resolved: TARBALL });
      return [high('provenance', 'source-not-requested'), high('provenance', 'source-changed')].map((one) =>
        about(ground, location, { ...one, change: 'changed' }),
      );
    },
  },
];
