import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { loadAgents } from '../../src/agents/loader';
import { startTeam } from '../support/team';

// In lib/, where modules resolve as they do in src/, and which no build or commit takes along.
const folder = resolve('lib', `first-agent-${process.pid}`);
beforeAll(() => mkdirSync(folder, { recursive: true }));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('"my first agent" of README compiles, is found by the loader, and runs', async () => {
  const readme = readFileSync('README.md', 'utf8');
  const code = /<!-- first agent: run by test\/docs -->\s+```ts\n(.*?)```/s.exec(readme)?.[1] ?? '';
  writeFileSync(
    join(folder, 'word-count.ts'),
    code.replace("'./base-agent'", "'../../src/agents/base-agent'"),
  );
  const compilerOptions = {
    rootDir: resolve('.'),
    noEmit: false,
    outDir: join(folder, 'out'),
    types: ['node'],
  };
  const config = { extends: resolve('tsconfig.json'), compilerOptions, include: ['word-count.ts'] };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config));
  execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', folder], { stdio: 'pipe' });

  const built = join(folder, 'out', 'lib', `first-agent-${process.pid}`);
  const { agents, problems } = await loadAgents({ folders: [built] });
  expect(problems).toEqual([]);
  await using team = await startTeam([...agents.values()].map(({ agentClass }) => agentClass));
  const result = await team.client.run({
    task: 'Count these five words please',
    plan: { strategy: 'sequential', agents: ['word-count'] },
  });
  expect(result).toMatchObject({ status: 'completed', output: { words: 5, longest: 'please' } });
});
