import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, normalize, sep } from 'node:path';

/** The rule of imports: who may import whom. Imports point down; a folder may always import itself. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  protocol: [],
  core: ['protocol'],
  workflows: ['protocol', 'core'],
  llm: ['protocol'],
  agents: ['protocol', 'core', 'llm'],
  db: ['protocol', 'core'],
  config: ['protocol'],
  telemetry: ['protocol', 'config'],
  activities: ['protocol', 'core', 'agents', 'llm', 'db', 'telemetry'],
  runtime: ['protocol', 'core', 'agents', 'llm', 'db', 'telemetry', 'activities', 'config'],
  client: ['protocol', 'core', 'db', 'runtime', 'config'],
  api: ['protocol', 'client', 'telemetry'],
  cli: ['protocol', 'core', 'agents', 'client', 'runtime', 'api', 'config', 'telemetry', 'db'],
};

/** Packages of the folders that must stay light; the others may import any. */
const PACKAGES: Record<string, readonly string[]> = {
  protocol: ['zod'],
  core: [],
  workflows: ['@temporalio/workflow', '@temporalio/common'],
};

const TYPES_ONLY = new Set(['workflows > activities', 'workflows > protocol']);
/** A comment that would switch the rules against mocks off. */
const DISABLED =
  /(?:ox|es)lint-disable(?:-next-line|-line)?(?:\s*\*\/|\s*$|.*no-restricted-(?:jest-methods|properties))/m;
const IMPORT = /^\s*(?:import|export)\s+(type\s)?(?:[^'"]*?from\s*)?['"]([^'"]+)['"]/gm;
const REQUIRE = /\b(?:import|require)\(\s*['"]([^'"]+)['"]/g;

/** Protocol modules that hold no zod: sandbox code may use their values. */
const ZOD_FREE = new Set([
  'protocol/failures',
  'protocol/limits',
  'protocol/nesting',
  'protocol/rest',
  'protocol/undecodable',
]);

function folderOf(path: string): string {
  return (path.split('/', 1)[0] ?? '').replace(/\.ts$/, '');
}

function mayImport(file: string, target: string, typeOnly: boolean): boolean {
  const from = folderOf(file);
  if (!target.startsWith('.')) {
    const allowed = PACKAGES[from];
    return allowed === undefined || allowed.some((name) => target === name || target.startsWith(`${name}/`));
  }
  const path = normalize(join(dirname(file), target));
  const to = folderOf(path);
  if (to === from) return true;
  // Values of zod schemas in the sandbox would cost 1.5 MB a workflow: types only, but for the files without zod.
  const sandboxed = from === 'workflows' || from === 'core';
  if (sandboxed && to === 'protocol') return typeOnly || ZOD_FREE.has(path);
  if (MAY_IMPORT[from]?.includes(to) === true) return true;
  return typeOnly && TYPES_ONLY.has(`${from} > ${to}`);
}

function importsOf(file: string): { target: string; typeOnly: boolean }[] {
  const text = readFileSync(join('src', file), 'utf8');
  const statics = [...text.matchAll(IMPORT)].map(([, type, target = '']) => ({
    target,
    typeOnly: type !== undefined,
  }));
  const dynamics = [...text.matchAll(REQUIRE)].map(([, target = '']) => ({ target, typeOnly: false }));
  return [...statics, ...dynamics];
}

const files = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter((file) =>
  file.endsWith('.ts'),
);

test('imports only point down', () => {
  const wrong = files.flatMap((file) =>
    importsOf(file)
      .filter(({ target, typeOnly }) => !mayImport(file, target, typeOnly))
      .map(({ target }) => `${file} -> ${target}`),
  );
  expect(wrong).toEqual([]);
});

test('every folder under src has its row in the table', () => {
  const folders = new Set(files.map(folderOf));
  expect([...folders].filter((folder) => !(folder in MAY_IMPORT))).toEqual([]);
});

test.each([
  ['core/plan.ts', '../db/schema', false],
  ['workflows/run.ts', '../activities', false],
  ['workflows/run.ts', '../protocol/plan', false],
  ['workflows/run.ts', 'node:crypto', false],
  ['protocol/plan.ts', 'pg', true],
  ['client/a.ts', '../cli/start', false],
])('the table refuses %s importing %s', (file, target, typeOnly) => {
  expect(mayImport(file, target, typeOnly)).toBe(false);
});

test('only config reads the environment, entry points hand it over', () => {
  const readers = files.filter((file) => /process\.env\b/.test(readFileSync(join('src', file), 'utf8')));
  const allowed = ['cli/doctor', 'cli/reset', 'cli/start', 'config.ts', 'client/connect.ts'];
  expect(readers.filter((file) => !allowed.some((prefix) => file.startsWith(prefix)))).toEqual([]);
});

describe('no package is mocked', () => {
  const planted = {
    'mock.test.ts': "jest.mock('pg');",
    'typed.test.ts': "jest.mock<object>('pg', () => ({}));",
    'broken-line.test.ts': "jest\n  .doMock('pg');",
    'by-key.ts': "jest['mock']('pg');",
    'alias.ts': "import { jest as j } from '@jest/globals';\nj.unstable_mockModule('pg', () => ({}));",
    'set.js': "jest.setMock('pg', {});",
    'create.js': "jest.createMockFromModule('pg');",
    'enable.js': 'jest.enableAutomock();',
  };
  const allowed = "test('a', () => {\n  expect(jest.fn()).toBeDefined();\n});";

  test('lint refuses planted mocks, and takes functions that stand in for callbacks', () => {
    const folder = mkdtempSync(join(tmpdir(), 'planted-'));
    try {
      for (const [file, code] of Object.entries({ ...planted, 'allowed.test.ts': allowed }))
        writeFileSync(join(folder, file), `${code}\n`);
      const args = ['node_modules/oxlint/bin/oxlint', '-c', '.oxlintrc.json', '--format=unix', folder];
      const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
      const refused = stdout
        .split('\n')
        .filter((line) => /no-restricted-(?:jest-methods|properties)/.test(line))
        .map((line) => basename(line.split(':', 1)[0] ?? ''));
      expect({ refused: [...new Set(refused)].toSorted(), stderr }).toEqual({
        refused: Object.keys(planted).toSorted(),
        stderr: '',
      });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test('nor behind its back', () => {
    const sources = readdirSync('test', { recursive: true, encoding: 'utf8' });
    expect(sources.filter((file) => file.split(sep).includes('__mocks__'))).toEqual([]);
    expect(existsSync('__mocks__')).toBe(false);
    const silent = sources.filter(
      (file) => /\.[jt]s$/.test(file) && DISABLED.test(readFileSync(join('test', file), 'utf8')),
    );
    expect(silent).toEqual([]);
    expect(readFileSync('jest.config.js', 'utf8')).not.toMatch(/automock|moduleNameMapper|roots/);
  });
});
