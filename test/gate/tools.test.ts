import type { LockEntry } from '../../src/agents/tools/lockfile/entry';
import { matchesGlob, matchesWorkspaces } from '../../src/agents/tools/lockfile/glob';
import { compareIntegrity, readIntegrity } from '../../src/agents/tools/lockfile/integrity';
import { classOfExpression, licenceOf } from '../../src/agents/tools/lockfile/licence';
import { extendPointer, pointerOf, resolvePointer } from '../../src/agents/tools/lockfile/pointer';
import { asksRegistry, sourceOf } from '../../src/agents/tools/lockfile/source';
import { includesVersion, isSubset, parseRange } from '../../src/agents/tools/lockfile/version-range';
import { integrityOf } from './support/lock-model';

function entryOf(facts: Partial<LockEntry>): LockEntry {
  const location = facts.location ?? 'node_modules/a';
  return {
    location,
    pointer: pointerOf('packages', location),
    raw: {},
    name: 'a',
    packageName: 'a',
    version: '1.0.0',
    resolved: null,
    integrity: null,
    linkTarget: null,
    dev: false,
    optional: false,
    devOptional: false,
    peer: false,
    bundled: false,
    installScript: false,
    deprecated: null,
    members: {},
    ...facts,
  };
}

describe('JSON pointers', () => {
  const document = { packages: { '': { name: 'root' }, 'a/b~c': { list: [1, { deep: null }] } }, '~1': 2 };

  test('point at what they were made from', () => {
    expect(pointerOf('packages', 'a/b~c', 'list', '1')).toBe('/packages/a~1b~0c/list/1');
    expect(resolvePointer(document, pointerOf('packages', 'a/b~c', 'list', '1', 'deep'))).toBeNull();
    expect(resolvePointer(document, extendPointer(pointerOf('packages', ''), 'name'))).toBe('root');
    expect(resolvePointer(document, pointerOf('~1'))).toBe(2);
    expect(resolvePointer(document, '')).toBe(document);
  });

  test.each([
    '/packages/none',
    '/packages/a~1b~0c/list/01',
    '/packages/a~1b~0c/list/9',
    '/constructor',
    'packages',
    '/~1/x',
  ])('%s points at nothing', (pointer) => expect(resolvePointer(document, pointer)).toBeUndefined());
});

describe('workspace lists', () => {
  test.each([
    [['packages/*'], 'packages/a', true],
    [['packages/*'], 'packages/a/b', false],
    [['./packages/*/'], 'packages/a', true],
    [['packages/**'], 'packages/a/b', true],
    [['**/lib'], 'lib', true],
    [['packages/{a,b}-*'], 'packages/b-1', true],
    [['packages/*', '!packages/old'], 'packages/old', false],
    [['!packages/old', 'packages/old'], 'packages/old', true],
    [['packages/?'], 'packages/ab', false],
    [['packages/a.b'], 'packages/aXb', false],
    [[], 'packages/a', false],
  ])('%j and %s: %s', (patterns, location, expected) => {
    expect(matchesWorkspaces(patterns, location)).toBe(expected);
  });

  test('a pattern made to take for ever does not', () => {
    const started = performance.now();
    expect(matchesGlob(`${'*a'.repeat(500)}b`, 'a'.repeat(4_000))).toBe(false);
    expect(matchesGlob(`${'**/a/'.repeat(500)}b`, 'a/'.repeat(1_000))).toBe(false);
    expect(matchesGlob('{a,b}'.repeat(40), 'ab'.repeat(20))).toBe(false);
    expect(performance.now() - started).toBeLessThan(3_000);
  });
});

describe('version ranges', () => {
  test.each([
    ['>=18', '18.0.0', true],
    ['>= 18', '17.9.9', false],
    ['^20.19.0 || >=22.12.0', '21.0.0', false],
    ['^20.19.0 || >=22.12.0', '22.12.0', true],
    ['18 - 20', '20.99.0', true],
    ['~1.2', '1.3.0', false],
    ['^0.0.3', '0.0.4', false],
    ['1.x || 3', '3.4.5', true],
    ['*', '0.0.0', true],
    ['', '5.0.0', true],
    ['>4 <8 || 10', '8.0.0', false],
    ['<=6', '6.17.1', true],
    ['>6', '6.17.1', false],
    ['v14', '14.21.3', true],
    ['>=15.0.0-beta.1', '15.0.0', true],
    ['<=15.0.0-beta.1', '15.0.0', false],
    ['>15.0.0-beta.1', '15.0.0', true],
    ['15.0.0-beta.1', '15.0.0', false],
  ])('%j holds %s: %s', (range, version, expected) => {
    expect(includesVersion(parseRange(range) ?? [], version)).toBe(expected);
  });

  test.each(['latest', '>=lts', '1.2.3.4', 'node 18', '>=18 and <20', '999999.0.0'])(
    '%j is no range',
    (range) => expect(parseRange(range)).toBeNull(),
  );

  test.each([
    ['>=20.19', '>=18', true],
    ['>=20.19', '^20.11 || >=22', false],
    ['^20.11 || ^22', '>=18 <21 || >=21', true],
    ['>=18 <20', '18 || 19', true],
    ['*', '>=0.0.1', false],
  ])('%j is within %j: %s', (inner, outer, expected) => {
    expect(isSubset(parseRange(inner) ?? [], parseRange(outer) ?? [])).toBe(expected);
  });

  test('what is not a whole version is not held against a range', () => {
    expect(includesVersion(parseRange('>=18') ?? [], '20')).toBeNull();
    expect(includesVersion(parseRange('>=18') ?? [], '20.0.0-nightly')).toBeNull();
  });
});

describe('licences', () => {
  test.each([
    ['MIT', 'permissive'],
    ['mit', 'permissive'],
    ['GPL-3.0-only', 'strong-copyleft'],
    ['GPL-2.0+', 'strong-copyleft'],
    ['(MIT OR GPL-3.0-only)', 'permissive'],
    ['MIT AND (LGPL-3.0-only OR GPL-3.0-only)', 'weak-copyleft'],
    ['MIT AND GPL-3.0-only OR ISC', 'permissive'],
    ['GPL-2.0-only WITH Classpath-exception-2.0', 'weak-copyleft'],
    ['UNLICENSED', 'restricted'],
    ['MIT OR LicenseRef-Own', 'permissive'],
    ['MIT AND LicenseRef-Own', 'unknown'],
    ['GPL-3.0-only AND LicenseRef-Own', 'strong-copyleft'],
    ['Apache 2.0', null],
    ['MIT,ISC', null],
    ['(MIT', null],
    ['MIT OR', null],
    ['AND', null],
    ['', null],
    [`${'('.repeat(5_000)}MIT${')'.repeat(5_000)}`, null],
  ])('%j is %s', (expression, expected) => expect(classOfExpression(expression)).toBe(expected));

  test.each([
    [undefined, 'absent'],
    ['', 'absent'],
    [['MIT'], 'absent'],
    ['SEE LICENSE IN LICENSE.txt', 'in-a-file'],
    ['Public Domain', 'not-an-expression'],
    ['LicenseRef-Own', 'not-classified'],
    [{ type: 'ISC' }, null],
  ])('%j is unknown because it is %s', (license, because) => {
    const raw = license === undefined ? {} : { license };
    expect(licenceOf(entryOf({ raw })).unknownBecause).toBe(because);
  });
});

describe('integrity', () => {
  test('is strong where one strong hash is among its hashes, malformed where one is no hash', () => {
    expect(readIntegrity(integrityOf('a'))).toMatchObject({ strong: true, malformed: false });
    expect(readIntegrity(integrityOf('a', 'sha1'))).toMatchObject({ strong: false, malformed: false });
    expect(readIntegrity(`${integrityOf('a', 'sha1')} ${integrityOf('a', 'sha256')}`)).toMatchObject({
      strong: true,
    });
    for (const text of ['', 'sha512-', 'sha512-AAAA', 'sha3-AAAA', 'deadbeef']) {
      expect(readIntegrity(text)).toMatchObject({ strong: false, malformed: true });
    }
  });

  test('contradicts only where one algorithm says two things', () => {
    const [one, other] = [integrityOf('one'), integrityOf('other')];
    expect(compareIntegrity(one, one)).toBe('same');
    expect(compareIntegrity(one, other)).toBe('different');
    expect(compareIntegrity(one, `${one} ${other}`)).toBe('same');
    expect(compareIntegrity(integrityOf('one', 'sha1'), one)).toBe('incomparable');
    expect(compareIntegrity(`${integrityOf('one', 'sha1')} ${one}`, other)).toBe('different');
  });
});

describe('sources', () => {
  const commit = 'a'.repeat(40);
  test.each([
    [
      'https://packages.example.com/a/-/a-1.0.0.tgz',
      { kind: 'registry', host: 'packages.example.com', scheme: 'https' },
    ],
    [
      'https://packages.example.com/npm/@s/a/-/a-1.0.0.tgz',
      { kind: 'registry', names: { name: '@s/a', version: '1.0.0' } },
    ],
    [
      'https://packages.example.com/@s%2fa/-/a-1.0.0.tgz',
      { kind: 'registry', names: { name: '@s/a', version: '1.0.0' } },
    ],
    [
      'https://packages.example.com/download/@s/a/1.0.0/0123',
      { kind: 'registry', names: { name: '@s/a', version: '1.0.0' } },
    ],
    ['https://files.example.com/a.tgz', { kind: 'tarball', host: 'files.example.com' }],
    ['http://packages.example.com/a/-/a-1.0.0.tgz', { kind: 'registry', scheme: 'http' }],
    [
      `git+ssh://git@git.example.com/a/b.git#${commit}`,
      { kind: 'git', host: 'git.example.com', scheme: 'git+ssh', pinned: true },
    ],
    ['git+https://git.example.com/a/b.git#main', { kind: 'git', pinned: false }],
    [`github:a/b#${commit}`, { kind: 'git', host: 'github.com', pinned: true }],
    [`https://git.example.com/a/b.git#${commit}`, { kind: 'git', pinned: true }],
    ['file:../a-1.0.0.tgz', { kind: 'file', host: null }],
    ['ftp://files.example.com/a.tgz', { kind: 'unknown', scheme: 'ftp' }],
    ['not an address', { kind: 'unknown', host: null }],
    [null, { kind: 'unknown' }],
  ])('%s', (resolved, expected) => expect(sourceOf(entryOf({ resolved }))).toMatchObject(expected));

  test('bundled packages, links and folders come with their owner', () => {
    expect(sourceOf(entryOf({ bundled: true })).kind).toBe('bundled');
    expect(sourceOf(entryOf({ linkTarget: 'packages/a' })).kind).toBe('link');
    expect(sourceOf(entryOf({ location: 'packages/a' })).kind).toBe('local');
  });

  test.each([
    ['^1.0.0', true],
    ['latest', true],
    ['', true],
    ['npm:@real/name@^1', true],
    ['>=1 <2 || 3.x', true],
    ['user/repository', false],
    ['github:user/repository', false],
    ['git+ssh://git@git.example.com/a/b.git', false],
    ['https://files.example.com/a.tgz', false],
    ['file:../a', false],
    ['../a', false],
    ['~/a', false],
  ])('%j asks a registry: %s', (range, expected) => expect(asksRegistry(range)).toBe(expected));
});
