import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describeAgent } from '../../src/agents/describe';
import { loadAgents, type LoadedAgents } from '../../src/agents/loader';

const AUTHORS_API = join(__dirname, '../../src/agents/index.ts');
const HEAD = `const { BaseAgent, z } = require(${JSON.stringify(AUTHORS_API)});\n`;

let folder: string;
beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'ensemble-loader-')));
});
afterEach(() => rm(folder, { recursive: true }));

async function put(files: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, source] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), source);
  }
}

function agent(
  name: string,
  manifest = `{ name: '${name}', version: '1.0.0', description: 'Test', output: z.string() }`,
): string {
  const body = `static manifest = ${manifest};\n  async execute() { return '${name}'; }`;
  return `${HEAD}exports.Agent_${name.replaceAll('-', '_')} = class extends BaseAgent {\n  ${body}\n};\n`;
}

const load = (...folders: string[]): Promise<LoadedAgents> =>
  loadAgents({ folders: folders.length > 0 ? folders : [folder] });
const names = ({ agents }: LoadedAgents): string[] => [...agents.keys()].toSorted();
const reasonFor = ({ problems }: LoadedAgents, name: string): string | undefined =>
  problems.find(({ file }) => file === join(folder, name))?.reason;

test('loads agents from a folder and the folders in it, and nothing else', async () => {
  await put({
    'one.js': agent('one'),
    'deep/er/two.js': agent('two'),
    'helper.js': 'exports.help = () => 1; exports.describeAgent = () => 2; exports.settings = { a: 1 };',
    'tools/three.js': agent('three'),
    'node_modules/x/four.js': agent('four'),
    '.hidden/five.js': agent('five'),
    'types.d.ts': 'export {};',
    'one.js.map': '{}',
    'notes.md': '# no',
  });
  const loaded = await load();
  expect(loaded.problems).toEqual([]);
  expect(names(loaded)).toEqual(['one', 'two']);
  const one = loaded.agents.get('one');
  expect(one).toMatchObject({
    file: join(folder, 'one.js'),
    manifest: { agentType: 'custom', limits: { timeoutMs: 300_000 } },
  });
  expect(await new (one?.agentClass ?? fail())().execute({} as never, {} as never)).toBe('one');
});

test('every bad agent is reported by file and reason, and stops no other', async () => {
  const manifest = (more: string): string =>
    `{ name: 'x', version: '1.0.0', description: 'd', output: z.string()${more} }`;
  await put({
    'a-good.js': agent('good'),
    'throws.js': 'throw new Error("no database\\n  here");',
    'throws-odd.js': 'throw null;',
    'syntax.js': 'const a = 1;\nconst = 2;',
    'missing-module.js': 'require("not-installed-anywhere");',
    'no-manifest.js': `${HEAD}exports.A = class Lonely extends BaseAgent { async execute() {} };`,
    'bad-manifest.js': agent(
      'x',
      "{ name: 'Bad Name', version: '1', description: '', output: 3, extra: true }",
    ),
    'bad-limits.js': agent('x', manifest(', limits: { timeoutMs: 1 }')),
    'manifest-throws.js': `${HEAD}exports.A = class extends BaseAgent { static get manifest() { throw new Error('lazy'); } };`,
    'no-schema.js': agent(
      'x',
      "{ name: 'x', version: '1.0.0', description: 'd', output: z.object({ at: z.date() }) }",
    ),
    'no-execute.js': `${HEAD}exports.A = class Idle extends BaseAgent { static manifest = ${manifest('')}; };`,
    'wants-arguments.js': `${HEAD}exports.A = class Needy extends BaseAgent { static manifest = ${manifest('')}; constructor(a) { super(); } async execute() {} };`,
    'not-an-agent.js': `exports.FakeAgent = class FakeAgent { async execute() {} };`,
    'object-agent.js': `exports.thing = { manifest: { name: 'thing' }, execute() {} };`,
    'old-agent.js': `function OldAgent() {} OldAgent.prototype.execute = function () {}; module.exports = OldAgent;`,
    'two.js': `${agent('p')}${agent('q').replace(HEAD, '')}`,
    'z-good.js': agent('also-good'),
  });
  const loaded = await load();
  expect(names(loaded)).toEqual(['also-good', 'good']);
  const expected: Record<string, RegExp> = {
    'throws.js': /^cannot be loaded: no database here$/,
    'throws-odd.js': /^cannot be loaded: /,
    'syntax.js': /^cannot be loaded: /,
    'missing-module.js': /^cannot be loaded: Cannot find module 'not-installed-anywhere'/,
    'no-manifest.js': /^Lonely has no static manifest$/,
    'bad-manifest.js':
      /manifest\.name must be lower-case.*manifest\.version must be a semantic.*manifest\.description.*manifest\.output must be a zod schema.*"extra"/,
    'bad-limits.js': /manifest\.limits\.timeoutMs/,
    'manifest-throws.js': /lazy/,
    'no-schema.js': /^the output schema has no JSON Schema: Date/,
    'no-execute.js': /^Idle has no method execute$/,
    'wants-arguments.js': /^the constructor of Needy must take no arguments$/,
    'not-an-agent.js': /^its export FakeAgent does not extend BaseAgent$/,
    'object-agent.js': /^its export thing does not extend BaseAgent$/,
    'old-agent.js': /^its export OldAgent does not extend BaseAgent$/,
    'two.js': /^exports 2 agents \(.*\); a file holds one$/,
  };
  for (const [name, reason] of Object.entries(expected))
    expect([name, reasonFor(loaded, name)]).toEqual([name, expect.stringMatching(reason)]);
  expect(loaded.problems).toHaveLength(Object.keys(expected).length);
  for (const { reason } of loaded.problems) expect(reason).not.toMatch(/\n/);
});

test('of two agents with one name the first is kept, and both files are named', async () => {
  await put({ 'first/twin.js': agent('twin'), 'second/twin.js': agent('twin') });
  const loaded = await load(join(folder, 'first'), join(folder, 'second'));
  expect(loaded.agents.get('twin')?.file).toBe(join(folder, 'first/twin.js'));
  expect(loaded.problems).toEqual([
    {
      file: join(folder, 'second/twin.js'),
      reason: `there is already an agent twin in ${join(folder, 'first/twin.js')}`,
    },
  ]);
});

test('an agent exported again, under two names or reached twice is one agent', async () => {
  await put({
    'one.js': `${agent('one')}exports.default = exports.Agent_one;`,
    'z-index.js': 'module.exports = { ...require("./one.js") };',
  });
  await symlink(folder, join(folder, 'loop'));
  const loaded = await load(folder, folder, `${folder}/.`);
  expect(loaded.problems).toEqual([]);
  expect(names(loaded)).toEqual(['one']);
});

test('a folder that is missing is a problem, not a crash', async () => {
  await put({ 'one.js': agent('one') });
  const loaded = await load(join(folder, 'nowhere'), folder);
  expect(names(loaded)).toEqual(['one']);
  expect(loaded.problems).toEqual([
    {
      file: join(folder, 'nowhere'),
      reason: expect.stringMatching(/^cannot read this folder of agents: ENOENT/),
    },
  ]);
});

test("knows an agent that extends another copy of this package's BaseAgent", async () => {
  const copy = `class BaseAgent { static [Symbol.for('ensemble.agent')] = true; }\nconst { z } = require(${JSON.stringify(require.resolve('zod'))});\n`;
  await put({
    'plugin.js': agent('plugin').replace(HEAD, copy),
    'base.js': `${copy}exports.BaseAgent = BaseAgent;`,
  });
  const loaded = await load();
  expect(loaded.problems).toEqual([]);
  expect(names(loaded)).toEqual(['plugin']);
});

test('the folder of this package holds its agents, and no problem', async () => {
  const loaded = await loadAgents({ folders: [join(__dirname, '../../src/agents')], extensions: ['.ts'] });
  expect(loaded.problems).toEqual([]);
  expect(names(loaded)).toEqual(expect.arrayContaining(['evaluator', 'react', 'summarizer']));
  for (const { manifest } of loaded.agents.values()) {
    const described = describeAgent(manifest);
    expect(JSON.parse(JSON.stringify(described))).toEqual(described);
    expect(described.outputSchema['type']).toBe('object');
  }
});

test('describes an agent in JSON alone', async () => {
  await put({
    'one.js': agent(
      'one',
      `{ name: 'one', version: '2.1.0', description: 'd', capabilities: ['a'], agentType: 'react',
         input: z.object({ size: z.int().default(3) }), output: z.array(z.string()) }`,
    ),
    'two.js': agent('two'),
  });
  const { agents } = await load();
  const described = [...agents.values()].map(({ manifest }) => describeAgent(manifest));
  expect(described[0]).toEqual({
    name: 'one',
    version: '2.1.0',
    description: 'd',
    agentType: 'react',
    capabilities: ['a'],
    limits: { timeoutMs: 300_000, outputBytes: 1_048_576 },
    inputSchema: expect.objectContaining({
      type: 'object',
      properties: { size: expect.objectContaining({ default: 3 }) },
    }),
    outputSchema: expect.objectContaining({ type: 'array', items: { type: 'string' } }),
  });
  expect(described[0]?.inputSchema).not.toHaveProperty('required');
  expect(described[1]?.inputSchema).toBeNull();
});

function fail(): never {
  throw new Error('no agent');
}
