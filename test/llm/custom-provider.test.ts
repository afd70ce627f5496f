import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { loadConfig } from '../../src/config';
import { selectProvider } from '../../src/llm/factory';
import { FAULT_NAMES } from '../support/provider-server/faults';
import { startProviderServer, type ProviderServer } from '../support/provider-server/server';
import { temporaryFolder } from '../support/team';
import { conformsToModelProvider, type Subject } from './conformance';
import { ask } from './conformance/samples';
import { OUTCOMES } from './fault-outcomes';
import { TEST_KEY } from './subjects';

// In lib/, where modules resolve as they do in src/, and which no build or commit takes along.
const folder = resolve('lib', `custom-provider-${process.pid}`);
const built = join(folder, 'out', relative('.', folder), 'oracle.js');
const before = { ...process.env };
let server: ProviderServer;

beforeAll(async () => {
  const docs = readFileSync('docs/models.md', 'utf8');
  const code = /<!-- custom provider: run by test\/llm -->\s+```ts\n(.*?)```/s.exec(docs)?.[1] ?? '';
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'oracle.ts'), code.replaceAll("'ensemble/models'", "'../../src/llm'"));
  const compilerOptions = {
    rootDir: resolve('.'),
    noEmit: false,
    outDir: join(folder, 'out'),
    types: ['node'],
  };
  const config = { extends: resolve('tsconfig.json'), compilerOptions, include: ['oracle.ts'] };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config));
  execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', folder], { stdio: 'inherit' });
  server = await startProviderServer({ keys: [TEST_KEY] });
  Object.assign(process.env, { ORACLE_URL: server.openAiUrl, ORACLE_KEY: TEST_KEY });
});
afterAll(async () => {
  for (const name of ['ORACLE_URL', 'ORACLE_KEY']) delete process.env[name];
  Object.assign(process.env, before);
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

const oracle = (): Subject['provider'] =>
  selectProvider(
    loadConfig({
      ENSEMBLE_PROVIDERS_PATH: `./${relative('.', built)}`,
      ENSEMBLE_MODEL_PROVIDER: 'oracle',
      ENSEMBLE_MODEL_TIMEOUT_MS: '5000',
    }),
  ).provider;

conformsToModelProvider(
  'the custom provider of docs/models.md',
  () => ({
    provider: oracle(),
    play: (...steps) => server.play(steps),
    lastBody: () => server.requests.at(-1)?.body,
    async hungUp() {
      await sleep(100);
      return server.requests.at(-1)?.hungUp === true;
    },
  }),
  {
    skip: [
      {
        reason: 'it does not stream',
        cases: [
          'streams reasoning apart from the text',
          'rejects with the reason when a stream is aborted',
          'hangs up when its stream is left',
        ],
      },
      { reason: 'its server keeps no record of a turn', cases: ['hands back its own state of a turn'] },
      {
        reason: 'it reads nothing of a cache',
        cases: ['reports usage, and null where it is unknown'],
      },
    ],
  },
);

const NOT_CHECKED = ['schema-invalid', 'not-json-answer', 'length-limit', 'refusal', 'silent-hang'];
const SLOW = ['silent-mid-answer', 'slow-drip', 'endless-stream'];

test.each(FAULT_NAMES.filter((fault) => ![...NOT_CHECKED, ...SLOW].includes(fault)))(
  'the custom provider ends after %s as documented',
  async (fault) => {
    server.play([{ fault }]);
    const ending = await oracle()
      .invoke(ask('Hi'))
      .then(
        () => 'reply',
        (error: unknown) => (error as { code: string }).code,
      );
    expect(ending).toBe(OUTCOMES[fault].invoke);
  },
);

test('a custom provider is a fallback too', () => {
  const { why } = selectProvider({
    ENSEMBLE_PROVIDERS_PATH: [built],
    ENSEMBLE_MODEL_FALLBACKS: ['oracle:oracle-2'],
  });
  expect(why).toContain('; then oracle (oracle-2)');
});

test.each([
  ['./no-such-file.js', '', /no-such-file\.js: cannot be loaded: Cannot find module/],
  ['no-such-package', '', /no-such-package: cannot be loaded: Cannot find module/],
  ['zod', '', /zod: it exports no `providers`/],
  [undefined, 'exports.providers = { oracle: 1 };', /its provider oracle is not a function/],
  [undefined, "exports.providers = { 'an oracle': () => 1 };", /"an oracle" cannot be the name/],
  [undefined, "throw new Error('no luck');", /cannot be loaded: no luck/],
])('%s %s is a configuration error', (path, code, problem) => {
  using temporary = temporaryFolder('providers');
  const file = join(temporary.path, 'providers.js');
  writeFileSync(file, code);
  const select = (): unknown => selectProvider({ ENSEMBLE_PROVIDERS_PATH: [path ?? file] });
  expect(select).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
  expect(select).toThrow(problem);
});

test('two providers of one name are a configuration error', () => {
  const select = (): unknown => selectProvider({ ENSEMBLE_PROVIDERS_PATH: [built, built] });
  expect(select).toThrow(/there is already a provider oracle/);
});
