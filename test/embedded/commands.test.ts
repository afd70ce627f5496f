import { spawn } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { resolve } from 'node:path';
import { aDataDir, cleanEnvironment } from './support/data-dir';

interface Machine {
  readonly version: string;
  readonly platform: string;
  readonly arch: string;
  readonly glibc: boolean;
}

const { problemOf } = jest.requireActual<{ problemOf: (machine: Machine) => string | null }>(
  '../../scripts/preflight.js',
);
const CHECKOUT = resolve(__dirname, '..', '..');
const GOOD: Machine = { version: '20.19.0', platform: 'linux', arch: 'x64', glibc: true };

function run(args: readonly string[], env: Record<string, string | undefined> = {}) {
  return new Promise<{ code: number | null; stdout: string; stderr: string }>((done, reject) => {
    const child = spawn(process.execPath, args, { cwd: CHECKOUT, env: { ...cleanEnvironment(), ...env } });
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (chunk) => (stdout += String(chunk)));
    child.stderr.on('data', (chunk) => (stderr += String(chunk)));
    child.once('error', reject);
    child.once('close', (code) => done({ code, stdout, stderr }));
  });
}

test.each<[Partial<Machine>, RegExp | null]>([
  [{}, null],
  [{ version: '22.12.0', platform: 'darwin', arch: 'arm64', glibc: false }, null],
  [{ version: '20.18.3' }, /needs Node 20\.19 or later; this is Node 20\.18\.3/],
  [{ version: '8.17.0' }, /needs Node/],
  [{ platform: 'win32' }, /WSL/],
  [{ platform: 'freebsd' }, /this is freebsd/],
  [{ arch: 'ia32' }, /x64 and arm64; this is ia32/],
  [{ glibc: false }, /musl/],
])('the preflight on %j', (difference, expected) => {
  const problem = problemOf({ ...GOOD, ...difference });
  if (expected === null) expect(problem).toBeNull();
  else expect(problem).toMatch(expected);
});

test.each(['start', 'run', 'test', 'check', 'build'])(
  '%s refuses an old Node with one line and exit code 5',
  async (name) => {
    const old = "Object.defineProperty(process.versions, 'node', { value: '18.20.0' });";
    const path = `./scripts/${name}.js`;
    const code = `${old} process.argv[1] = '${path}'; require('node:module')._load('${path}', null, true)`;
    const result = await run(['-e', code.replaceAll('./scripts', `${CHECKOUT}/scripts`)]);
    expect(result).toEqual({
      code: 5,
      stdout: '',
      stderr: expect.stringMatching(/^Ensemble needs Node .*18\.20\.0\.\n$/),
    });
  },
);

test('the doctor gives one line per check', async () => {
  await using dataDir = aDataDir();
  const { code, stdout } = await run(['scripts/doctor.js'], { ENSEMBLE_DATA_DIR: dataDir.path });
  expect(code).toBe(0);
  const lines = stdout.trimEnd().split('\n');
  for (const line of lines) expect(line).toMatch(/^(ok {3}|warn )[\w ]+: .+/);
  const names = lines.map((line) => line.slice(5).split(':')[0]);
  expect(names).toEqual(
    expect.arrayContaining([
      'platform',
      'packages',
      'build',
      'configuration',
      'memory',
      'data folder',
      'cache folder',
    ]),
  );
  expect(names).toEqual(
    expect.arrayContaining(['user', 'port 7233', 'port 8233', 'go', 'temporal', 'postgresql']),
  );
});

test('the doctor names what is wrong and ends with 5', async () => {
  await using dataDir = aDataDir();
  const { code, stdout } = await run(['scripts/doctor.js'], {
    ENSEMBLE_DATA_DIR: dataDir.path,
    DATABASE_POOL_SIZE: 'many',
    TEMPORAL_ADDRESS: '127.0.0.1:9',
  });
  expect(code).toBe(5);
  expect(stdout).toMatch(/^FAIL configuration: .*DATABASE_POOL_SIZE must be a whole number/m);
  expect(stdout).toMatch(/^FAIL temporal: nothing answers on 127\.0\.0\.1:9; .*TEMPORAL_ADDRESS/m);
});

test('the doctor asks the providers about their keys, and never shows one', async () => {
  await using dataDir = aDataDir();
  const provider = createServer((request, response) => {
    const accepted = request.url === '/v1/models' && request.headers['x-api-key'] === 'secret-good';
    response.writeHead(accepted ? 200 : 401).end('{}');
  });
  await new Promise<void>((done) => provider.listen(0, '127.0.0.1', done));
  const base = `http://127.0.0.1:${(provider.address() as AddressInfo).port}`;
  const { code, stdout } = await run(['scripts/doctor.js', '--keys'], {
    ENSEMBLE_DATA_DIR: dataDir.path,
    OPENAI_API_KEY: 'secret-bad',
    OPENAI_BASE_URL: `${base}/v1`,
    ANTHROPIC_API_KEY: 'secret-good',
    ANTHROPIC_BASE_URL: base,
  });
  provider.close();
  expect(code).toBe(5);
  expect(stdout).toMatch(/^FAIL key OPENAI_API_KEY: refused by .* \(401\); set a valid key/m);
  expect(stdout).toMatch(/^ok {3}key ANTHROPIC_API_KEY: accepted by/m);
  expect(stdout).not.toContain('secret');
});

test('reset refuses a word it does not know', async () => {
  await using dataDir = aDataDir();
  const { code, stderr } = await run(['scripts/run.js', 'reset', '--hard'], {
    ENSEMBLE_DATA_DIR: dataDir.path,
  });
  expect(code).toBe(2);
  expect(stderr).toContain('reset takes no --hard');
});

test.each<[readonly string[], number, RegExp]>([
  [['nothing'], 2, /^No benchmark is called nothing; there are: overhead, runs, messages/],
  [
    ['memory', '--on-your-servers'],
    2,
    /^memory cannot be measured on your servers; there are: overhead, runs\n$/,
  ],
  [['overhead', '--on-your-servers'], 5, /CONFIG_INVALID: Set DATABASE_URL and DATABASE_ADMIN_URL/],
])('bench %j is refused with exit code %i and says why', async (args, code, why) => {
  const result = await run(['scripts/bench.js', ...args]);
  expect(result).toEqual({ code, stdout: '', stderr: expect.stringMatching(why) });
});
