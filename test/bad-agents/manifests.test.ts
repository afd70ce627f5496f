import { execFileSync } from 'node:child_process';
import { mkdirSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadAgents } from '../../src/agents/loader';
import { temporaryFolder } from '../support/team';

const HEAD = `const { BaseAgent, z } = require(${JSON.stringify(join(__dirname, '../../src/agents/index.ts'))});\n`;
const GOOD = "name: 'x', version: '1.0.0', description: 'd', output: z.string()";

/** A file of one agent with this manifest. */
function agent(manifest: string, body = 'async execute() { return "done"; }'): string {
  return `${HEAD}exports.X = class X extends BaseAgent { static manifest = { ${manifest} };\n ${body} };\n`;
}

const withMore = (more: string): string => agent(`${GOOD}, ${more}`);

/** Every kind of mistake, and how the loader tells of it. */
const MISTAKES: Readonly<Record<string, readonly [source: string, reason: RegExp]>> = {
  'not JavaScript': ['const a = 1;\nconst = 2;', /^cannot be loaded: /],
  'a module that is not installed': [
    'require("not-installed-anywhere");',
    /^cannot be loaded: Cannot find module 'not-installed-anywhere'/,
  ],
  'an import that throws': [
    'throw new Error("no database\\n  here");',
    /^cannot be loaded: no database here$/,
  ],
  'an import that throws null': ['throw null;', /^cannot be loaded: .*null/],
  'an import that throws what throws': [
    'throw { get message() { throw new Error("gotcha"); } };',
    /^cannot be loaded: something that cannot be read$/,
  ],
  'an import whose error is 10 MB with a key': [
    'throw new Error("Bearer abc\\u001b[31m sk-123456789 " + "x\\n".repeat(5e6));',
    /^cannot be loaded: \[key\] \[31m \[key\] x x/,
  ],
  'exports that throw': [
    'Object.defineProperty(exports, "A", { enumerable: true, get() { throw new Error("lazy"); } });',
    /^lazy$/,
  ],
  'no manifest': [
    `${HEAD}exports.A = class Lonely extends BaseAgent { async execute() {} };`,
    /^Lonely has no static manifest$/,
  ],
  'a manifest that throws': [
    `${HEAD}exports.A = class extends BaseAgent { static get manifest() { throw new Error('lazy'); } };`,
    /lazy/,
  ],
  'a manifest that is no object': [
    `${HEAD}exports.A = class extends BaseAgent { static manifest = 'x'; async execute() {} };`,
    /^manifest .*expected object/,
  ],
  'a name with a space': [agent(GOOD.replace("'x'", "'Bad Name'")), /^manifest\.name must be lower-case/],
  'a name that is too long': [
    agent(GOOD.replace("'x'", `'${'x'.repeat(65)}'`)),
    /^manifest\.name must be .* 64/,
  ],
  'a version that is none': [
    agent(GOOD.replace('1.0.0', '1')),
    /^manifest\.version must be a semantic version/,
  ],
  'no description': [agent(GOOD.replace("'d'", "''")), /^manifest\.description /],
  'a description with a null character': [
    agent(GOOD.replace("'d'", String.raw`'a\0b'`)),
    /^its manifest holds a null character/,
  ],
  'an unknown agent type': [withMore("agentType: 'wizard'"), /^manifest\.agentType /],
  'capabilities that are no texts': [withMore('capabilities: [1]'), /^manifest\.capabilities\.0 /],
  'too many capabilities': [
    withMore("capabilities: Array.from({ length: 51 }, (_, i) => 'c' + i)"),
    /^manifest\.capabilities /,
  ],
  'a key that means nothing': [withMore('retries: 3'), /"retries"/],
  'an output that is no schema': [
    agent(GOOD.replace('z.string()', '{ type: "string" }')),
    /^manifest\.output must be a zod schema$/,
  ],
  'an input that is no schema': [withMore('input: 3'), /^manifest\.input must be a zod schema$/],
  'a schema without JSON Schema': [
    agent(GOOD.replace('z.string()', 'z.object({ at: z.date() })')),
    /^the output schema has no JSON Schema: Date/,
  ],
  'a schema of a megabyte': [
    agent(GOOD.replace('z.string()', 'z.enum(Array.from({ length: 1e5 }, (_, i) => "option-" + i))')),
    /^its manifest and schemas have \d+ bytes; the limit is 262144$/,
  ],
  'a time limit below the least': [withMore('limits: { timeoutMs: 1 }'), /^manifest\.limits\.timeoutMs /],
  'an output limit beyond the most': [
    withMore('limits: { outputBytes: 1e9 }'),
    /^manifest\.limits\.outputBytes /,
  ],
  'no execute': [agent(GOOD, ''), /^X has no method execute$/],
  'a constructor with arguments': [
    agent(GOOD, 'constructor(a) { super(); } async execute() {}'),
    /^the constructor of X must take no arguments$/,
  ],
  'two agents in one file': [
    `${agent(GOOD)}exports.Y = class Y extends BaseAgent { static manifest = { ${GOOD} }; async execute() {} };`,
    /^exports 2 agents \(X, Y\); a file holds one$/,
  ],
  'a class that does not extend BaseAgent': [
    'exports.FakeAgent = class FakeAgent { async execute() {} };',
    /^its export FakeAgent does not extend BaseAgent$/,
  ],
  'an object in place of a class': [
    "exports.thing = { manifest: { name: 'thing' }, execute() {} };",
    /^its export thing does not extend BaseAgent$/,
  ],
  'a name that is taken': [
    agent(GOOD.replace("'x'", "'a-good'")),
    /^there is already an agent a-good in .*a-good\.js$/,
  ],
};

const folder = temporaryFolder('ensemble-bad-manifests');
const path = realpathSync(folder.path);
afterAll(() => folder[Symbol.dispose]());

test('every mistake is reported by file and reason, in one short line, and stops no other agent', async () => {
  const kinds = Object.entries(MISTAKES);
  expect(kinds.length).toBeGreaterThanOrEqual(20);
  const files = kinds.map(([kind, [source]]) => {
    const file = join(path, `mistake: ${kind}.js`);
    writeFileSync(file, source);
    return file;
  });
  for (const name of ['a-good', 'z-good'])
    writeFileSync(join(path, `${name}.js`), agent(GOOD.replace("'x'", `'${name}'`)));

  const { agents, problems } = await loadAgents({ folders: [path] });
  expect([...agents.keys()]).toEqual(['a-good', 'z-good']);
  expect(problems.map(({ file }) => file).toSorted()).toEqual(files.toSorted());
  const reasons = new Map(problems.map(({ file, reason }) => [file, reason]));
  for (const [index, [kind, [, reason]]] of kinds.entries())
    expect([kind, reasons.get(files[index] ?? '')]).toEqual([kind, expect.stringMatching(reason)]);
  for (const { reason } of problems) {
    expect(reason.length).toBeLessThan(520);
    expect(reason).not.toMatch(/\p{Cc}/u);
  }
});

test('what lies between the files is no hindrance either: a broken link, a pipe, a folder that looks like a file', async () => {
  const among = join(path, 'among');
  mkdirSync(join(among, 'folder.js'), { recursive: true });
  symlinkSync('nowhere.js', join(among, 'b-broken.js'));
  execFileSync('mkfifo', [join(among, 'c-pipe.js')]);
  writeFileSync(join(among, 'd-good.js'), agent(GOOD));
  const { agents, problems } = await loadAgents({ folders: [among] });
  expect([...agents.keys()]).toEqual(['x']);
  expect(problems).toEqual([
    { file: join(among, 'b-broken.js'), reason: expect.stringMatching(/^cannot be loaded: ENOENT/) },
    { file: join(among, 'c-pipe.js'), reason: 'cannot be loaded: it is no file' },
  ]);
});
