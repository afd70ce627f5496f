import { spawn } from 'node:child_process';
import { Command, processesOf } from '../support/npm-start';

jest.setTimeout(180_000);

test('npm run demo:crash kills a worker under its agent and shows the run finish, nothing repeated but what was lost', async () => {
  const command = new Command(
    spawn(process.execPath, ['scripts/run.js', 'demo-crash'], { stdio: ['ignore', 'pipe', 'pipe'] }),
  );
  expect(await command.exit()).toBe(0);
  expect(command.stdout).toMatch(/kill -9 (\d+)/);
  expect(command.stdout).toMatch(/process \d+ died \(SIGKILL\); starting another/);
  expect(command.stdout).toMatch(/The run is completed\. Its three agents began 4 times/);
  const folder = /(\/\S*ensemble-crash-\w+)/.exec(command.stdout)?.[1] ?? '';
  expect(folder).not.toBe('');
  expect(processesOf(folder)).toEqual([]);
});
