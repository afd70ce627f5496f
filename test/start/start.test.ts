import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startProviderServer } from '../support/provider-server/server';
import { npmStart, processesOf, type Command } from '../support/npm-start';
import { temporaryFolder } from '../support/team';

jest.setTimeout(240_000);

const folder = temporaryFolder('ensemble-start');
const dataDir = join(folder.path, 'data');
afterAll(() => folder[Symbol.dispose]());

async function nothingIsLeft(): Promise<void> {
  for (let i = 0; i < 50 && processesOf(dataDir).length > 0; i += 1) await sleep(100);
  expect(processesOf(dataDir)).toEqual([]);
}

test('the main job runs to its report with one command and leaves nothing behind', async () => {
  const command = npmStart({ dataDir, args: ['--once', '--json'] });
  expect(await command.exit()).toBe(0);
  const document = JSON.parse(command.lastLine()) as {
    runId: string;
    status: string;
    result: { markdown: string };
  };
  expect(document.status).toBe('completed');
  expect(document.result.markdown).toMatch(/merge|waive|block/i);
  expect(command.stdout.trimEnd().split('\n')).toHaveLength(1);
  for (const agent of ['inventory', 'licence', 'provenance', 'footprint', 'policy', 'graph', 'report-writer'])
    expect(command.stderr).toMatch(new RegExp(`${agent} +done`));
  expect(command.stderr).toMatch(/model +.*offline/i);
  expect(command.stderr).toMatch(/total +1 model call, tokens unknown, cost \$0/);
  expect(command.stderr).toMatch(/Web UI: +http:\/\/127\.0\.0\.1:\d+\/namespaces\/default\/workflows\/run-/);
  const file = /Result file: (\S+)/.exec(command.stderr)?.[1] ?? '';
  expect(readFileSync(file, 'utf8').trim()).toBe(document.result.markdown.trim());
  await nothingIsLeft();
});

describe('a second start', () => {
  let command: Command;
  beforeAll(() => {
    command = npmStart({
      dataDir,
      args: ['--task', 'Ships carry wheat. Wheat feeds people.', '--agents', 'react,evaluator'],
    });
  });
  afterAll(async () => {
    command.child.kill('SIGKILL');
    await command.exit();
  });

  test('has its first run finished within 30 s, and stays up', async () => {
    const since = Date.now();
    await command.says(/Up until Ctrl-C/);
    expect(Date.now() - since).toBeLessThan(30_000);
    expect(command.stdout).toMatch(/react +done/);
    expect(command.stdout).toMatch(/evaluator +done/);
  });

  test('still has the runs of the first', async () => {
    const address = /temporal +ready on (\S+)/.exec(command.stdout)?.[1] ?? '';
    const { Connection, Client } = await import('@temporalio/client');
    const connection = await Connection.connect({ address });
    const workflows: string[] = [];
    for await (const { type } of new Client({ connection }).workflow.list()) workflows.push(type);
    await connection.close();
    // The job's agents have talked; nobody talked in the other run.
    expect(workflows.toSorted()).toEqual(['messageBus', 'teamRun', 'teamRun']);
  });

  test('serves a third, started in another terminal of the same checkout', async () => {
    const other = npmStart({
      dataDir,
      args: ['--task', 'One line.', '--agents', 'react', '--strategy', 'parallel', '--json'],
    });
    expect(await other.exit()).toBe(0);
    expect(other.stderr).toMatch(/attached/);
    expect(JSON.parse(other.lastLine())).toMatchObject({ status: 'completed' });
  });

  test('replaces a worker that is killed', async () => {
    const pid = Number(/worker +ready, process (\d+)/.exec(command.stdout)?.[1]);
    process.kill(pid, 'SIGKILL');
    await command.says(/worker +process \d+ polls instead/);
    const other = npmStart({ dataDir, args: ['--task', 'Another line.', '--agents', 'react', '--json'] });
    expect(await other.exit()).toBe(0);
  });

  test('ends at Ctrl-C with everything it started', async () => {
    command.child.kill('SIGINT');
    expect(await command.exit()).toBe(0);
    await nothingIsLeft();
  });
});

describe('bad input ends in one line, before anything is started', () => {
  const broken = join(folder.path, 'broken.json');
  writeFileSync(broken, '{"lockfileVersion": 3, "packages": ');
  test.each([
    [['--strategy', 'circular', '--task', 't'], 2, /INPUT_INVALID: .*circular.*sequential.*parallel/],
    [['--task', ' '], 2, /INPUT_INVALID: --task is empty/],
    [['--task', 't', '--input', 'x'], 2, /INPUT_INVALID: --task and --input/],
    [['--input', join(folder.path, 'nowhere.json')], 2, /INPUT_UNREADABLE: .*nowhere\.json/],
    [['--colour'], 2, /INPUT_INVALID: unknown option '--colour'/],
    [['--agents', ','], 2, /INPUT_INVALID: --agents names no agent/],
  ])('%j', async (args, exit, message) => {
    const unused = join(folder.path, 'unused');
    const command = npmStart({ dataDir: unused, args });
    expect(await command.exit()).toBe(exit);
    const lines = command.stderr
      .trim()
      .split('\n')
      .filter((line) => line.startsWith('ensemble:'));
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(message);
    expect(command.stderr).not.toMatch(/\n\s+at /);
    expect(existsSync(unused)).toBe(false);
  });

  test('--help says what there is', async () => {
    const command = npmStart({ dataDir, args: ['--help'] });
    expect(await command.exit()).toBe(0);
    for (const option of ['--input', '--base', '--task', '--agents', '--strategy', '--once', '--json'])
      expect(command.stdout).toContain(option);
  });
});

test('an unknown agent ends in one line with the exit code of the failure table', async () => {
  const unknown = npmStart({ dataDir, args: ['--task', 't', '--agents', 'reakt', '--once'] });
  expect(await unknown.exit()).toBe(2);
  expect(unknown.stderr).toMatch(/^ensemble: AGENT_UNKNOWN: .*"reakt"; did you mean "react"\?/m);
  await nothingIsLeft();
});

test('a key that the provider refuses ends in one line and never shows, nor does anything hang', async () => {
  const key = 'sk-not-the-right-one-0123456789';
  await using provider = await startProviderServer({ keys: ['another'] });
  const environment = {
    OPENAI_BASE_URL: provider.openAiUrl,
    OPENAI_API_KEY: key,
    ENSEMBLE_MODEL: 'some-model',
  };
  const command = npmStart({ dataDir, args: ['--task', 't', '--agents', 'react', '--once'], environment });
  expect(await command.exit()).toBe(4);
  expect(command.stdout).toMatch(/model +openai-compatible/);
  expect(command.stderr).toMatch(/^ensemble: the run failed: MODEL_KEY_INVALID: .*$/m);
  expect(command.stdout + command.stderr + readFileSync(join(dataDir, 'worker.log'), 'utf8')).not.toContain(
    key,
  );
  expect(provider.requests).toHaveLength(1);
  const lines = readFileSync(join(dataDir, 'worker.log'), 'utf8').trim().split('\n');
  const ofRuns = lines
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .filter((line) => 'workflowId' in line || 'agent' in line);
  expect(ofRuns.length).toBeGreaterThan(1);
  for (const line of ofRuns)
    expect(line).toMatchObject({ runId: expect.any(String), tenant: expect.any(String) });
  expect(ofRuns).toContainEqual(
    expect.objectContaining({ agent: 'react', code: 'MODEL_KEY_INVALID', level: 'error' }),
  );
  await nothingIsLeft();
});

test('a broken lock file fails its run with the reason, and nothing is stuck', async () => {
  const file = join(folder.path, 'package-lock.json');
  writeFileSync(file, '{"lockfileVersion": 3, "packages": ');
  const command = npmStart({ dataDir, args: ['--input', file, '--base', file, '--once'] });
  expect(await command.exit()).toBe(2);
  expect(command.stderr).toMatch(/^ensemble: .*INPUT_UNREADABLE/m);
  await nothingIsLeft();
});
