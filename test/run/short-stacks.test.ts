import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { withShortStacks } from '../../src/runtime/short-stacks';
import { startTeam } from '../support/team';

const limitOfNewSandboxes = (): Promise<unknown> =>
  Promise.resolve(runInNewContext('Error.stackTraceLimit') as unknown);

test('the call stack of a run says in few lines where it waits', async () => {
  await using team = await startTeam([]);
  const { runId, workflowId } = await team.client.start({
    task: 'Wait',
    plan: { type: 'wait', for: 'timer', durationMs: 600_000 },
  });
  const stack = await team.temporal.workflow.getHandle(workflowId).query<string>('__stack_trace');
  await team.client.cancel(runId);
  const traces = stack.split('\n\n').map((trace) => trace.split('\n'));
  expect(stack).toMatch(/at carryOut \(.*team-run\.ts:\d+:\d+\)/);
  expect(Math.max(...traces.map((lines) => lines.length))).toBeLessThanOrEqual(2);
});

test('whatever else the process makes keeps the usual length of stacks', async () => {
  await expect(withShortStacks(limitOfNewSandboxes)).resolves.toBe(4);
  await expect(withShortStacks(() => Promise.reject(new Error('no worker')))).rejects.toThrow('no worker');
  await expect(limitOfNewSandboxes()).resolves.toBe(10);
});

test('a process that was started with a length of its own keeps it', async () => {
  setFlagsFromString('--stack-trace-limit=50');
  try {
    await expect(withShortStacks(limitOfNewSandboxes)).resolves.toBe(50);
    await expect(limitOfNewSandboxes()).resolves.toBe(50);
  } finally {
    setFlagsFromString('--stack-trace-limit=10');
  }
});
