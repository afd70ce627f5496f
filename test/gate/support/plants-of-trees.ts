import { integrityOf } from './lock-model';
import { ALL, MODERN, type Plant, about, added, addition, altered, high, low, unknown } from './plant';

const FOOTPRINT: readonly Plant[] = [
  addition('deprecated', { deprecated: 'do not use' }, [low('deprecated', 'deprecated')]),
  addition('engine that fits', { engines: { node: '>=18' } }, []),
  addition('engine too new', { engines: { node: '^20.11 || >=22' } }, [low('engine', 'engine-narrower')]),
  addition('engine that is no range', { engines: { node: 'latest' } }, [
    unknown('engine', 'engine-unreadable'),
  ]),
  addition('engines in a list', { engines: ['node >= 0.8', 'rhino'] }, []),
  {
    name: 'second version',
    versions: ALL,
    plant: (ground) => {
      altered(ground, {}, {});
      const owner = `${ground.name}-owner`;
      const under = added({ ...ground, name: owner }, {});
      const nested = ground.head.add(ground.name, { under, version: '2.0.0' });
      ground.head.require(ground.name, { from: under, range: '^2.0.0' });
      return [about(ground, nested, low('duplicate', 'several-versions'))];
    },
  },
  {
    name: 'second copy',
    versions: ALL,
    plant: (ground) => {
      altered(ground, {}, {});
      const under = added({ ...ground, name: `${ground.name}-owner` }, {});
      const nested = ground.head.add(ground.name, { under });
      ground.head.require(ground.name, { from: under });
      return [about(ground, nested, { kind: 'duplicate', check: 'several-copies', severity: 'info' })];
    },
  },
  {
    name: 'as many versions as before',
    versions: ALL,
    plant: (ground) => {
      altered(ground, { version: '3.0.0' }, {});
      const owner = altered({ ...ground, name: `${ground.name}-owner` }, {}, {});
      for (const model of [ground.base, ground.head]) model.require(ground.name, { from: owner, range: '*' });
      ground.base.add(ground.name, { under: owner, version: '1.0.0' });
      ground.head.add(ground.name, { under: owner, version: '1.1.0' });
      return [];
    },
  },
  {
    name: 'third copy that agrees with one of two',
    versions: ALL,
    plant: (ground) => {
      altered(ground, {}, {});
      const first = altered({ ...ground, name: `${ground.name}-first` }, {}, {});
      for (const model of [ground.base, ground.head]) {
        model.add(ground.name, { under: first, integrity: integrityOf('other bytes') });
        model.require(ground.name, { from: first });
      }
      const second = added({ ...ground, name: `${ground.name}-second` }, {});
      const nested = ground.head.add(ground.name, { under: second, integrity: integrityOf('other bytes') });
      ground.head.require(ground.name, { from: second });
      return [about(ground, nested, { kind: 'duplicate', check: 'several-copies', severity: 'info' })];
    },
  },
  {
    name: 'two integrities for one version',
    versions: ALL,
    plant: (ground) => {
      altered(ground, {}, {});
      const under = added({ ...ground, name: `${ground.name}-owner` }, {});
      const nested = ground.head.add(ground.name, { under, integrity: integrityOf('other bytes') });
      ground.head.require(ground.name, { from: under });
      return [
        about(ground, nested, { kind: 'duplicate', check: 'several-copies', severity: 'info' }),
        about(ground, nested, high('provenance', 'integrity-changed')),
      ];
    },
  },
  {
    name: 'required and missing',
    versions: MODERN,
    plant: (ground) => {
      const location = added(ground, { dependencies: { 'not-in-the-lock': '^1.0.0' } });
      return [
        {
          ...about(ground, location, low('missing', 'dependency-missing')),
          package: 'not-in-the-lock',
          version: null,
          change: 'changed',
        },
      ];
    },
  },
];

const MOVES: readonly Plant[] = [
  {
    name: 'moved as it is',
    versions: ALL,
    plant: ({ base, head, name, dev }) => {
      for (const model of [base, head]) {
        model.require(`${name}-owner`, { as: dev ? 'devDependencies' : 'dependencies' });
        const owner = model.add(`${name}-owner`, {});
        model.require(name, { from: owner });
        model.add(name, {
          license: 'GPL-3.0-only',
          hasInstallScript: true,
          ...(model === base ? { under: owner } : {}),
        });
      }
      return [];
    },
  },
  {
    name: 'removed',
    versions: ALL,
    plant: ({ base, name }) => {
      base.add(name, { hasInstallScript: true });
      base.require(name);
      return [];
    },
  },
  {
    name: 'from development into production',
    versions: MODERN,
    plant: ({ base, head, name }) => {
      base.require(name, { as: 'devDependencies' });
      head.require(name);
      for (const model of [base, head]) model.add(name, { hasInstallScript: true, license: 'GPL-2.0-only' });
      const location = `node_modules/${name}`;
      const about = { package: name, version: '1.0.0', location, dev: false, change: 'changed' as const };
      return [
        { ...about, ...high('install-script', 'install-script-promoted') },
        { ...about, ...high('licence', 'licence-strong-copyleft') },
      ];
    },
  },
  {
    name: 'nothing requires it',
    versions: MODERN,
    plant: ({ head, name }) => {
      const location = head.add(name, {});
      const about = { package: name, version: '1.0.0', location, dev: false, change: 'added' as const };
      return [{ ...about, ...low('unrequired', 'nothing-requires-it') }];
    },
  },
];

export const TREE_PLANTS: readonly Plant[] = [...FOOTPRINT, ...MOVES];
