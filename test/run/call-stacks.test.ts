import { createContext, runInContext } from 'node:vm';
import { callStackHooks } from '../../src/runtime/workflow-thread/call-stacks';
import { startTeam } from '../support/team';

interface EnhancedStackTrace {
  readonly stacks: readonly {
    readonly locations: readonly {
      readonly file_path?: string;
      readonly function_name?: string;
      readonly line?: number;
    }[];
  }[];
}

test('the call stack of a run says where it waits', async () => {
  await using team = await startTeam([]);
  const { runId, workflowId } = await team.client.start({
    task: 'Wait',
    plan: { type: 'wait', for: 'timer', durationMs: 600_000 },
  });
  const workflow = team.temporal.workflow.getHandle(workflowId);
  const words = await workflow.query<string>('__stack_trace');
  const { stacks } = await workflow.query<EnhancedStackTrace>('__enhanced_stack_trace');
  await team.client.cancel(runId);

  expect(words).toMatch(/^ +at .*\n/);
  expect(words).toMatch(/at carryOut \(.*team-run\.ts:\d+:\d+\)/);
  expect(words).not.toMatch(/call-stacks|initAll|node:vm/);
  const traces = words.split('\n\n').map((trace) => trace.split('\n').length);
  expect(stacks.map(({ locations }) => locations.length)).toEqual(traces);
  expect(stacks.flatMap(({ locations }) => locations)).toContainEqual(
    expect.objectContaining({
      file_path: expect.stringMatching(/team-run\.ts$/) as string,
      function_name: 'carryOut',
      line: expect.any(Number) as number,
    }),
  );
});

describe('a promise of workflow code', () => {
  const store = () => ({
    childToParent: new Map<object, Set<object>>(),
    promiseToStack: new Map<object, object>(),
  });

  /** A sandbox that counts the stacks it puts into words. */
  function sandbox(promiseStackStore?: ReturnType<typeof store>) {
    const context = createContext({
      __TEMPORAL_ACTIVATOR__: promiseStackStore && { promiseStackStore },
      worded: 0,
    });
    runInContext(
      'Error.prepareStackTrace = (error, frames) => { worded += 1; return "Error\\n    at hook\\n    at there"; }',
      context,
    );
    return {
      promise: () => runInContext('new Promise(() => {})', context) as Promise<unknown>,
      worded: () => runInContext('worded', context) as number,
    };
  }

  test('has a call stack that is put into words for who asks, once', () => {
    const kept = store();
    const { promise, worded } = sandbox(kept);
    const hooks = callStackHooks();
    const [parent, child] = [promise(), promise()];
    hooks.init?.(parent, undefined as never);
    hooks.init?.(child, parent);
    expect(worded()).toBe(0);
    expect(kept.childToParent.get(child)).toEqual(new Set([parent]));
    expect(kept.promiseToStack.get(child)).toHaveProperty('formatted', '    at there');
    expect(kept.promiseToStack.get(child)).toHaveProperty('formatted', '    at there');
    expect(worded()).toBe(1);
  });

  test('is forgotten once it is settled', () => {
    const kept = store();
    const { promise } = sandbox(kept);
    const hooks = callStackHooks();
    const settled = promise();
    hooks.init?.(settled, undefined as never);
    hooks.settled?.(settled);
    expect(kept).toEqual(store());
  });

  test("that is its own parent waits for nothing, and one of no workflow is nobody's", () => {
    const kept = store();
    const { promise } = sandbox(kept);
    const own = promise();
    const hooks = callStackHooks();
    hooks.init?.(own, own);
    const outside = sandbox().promise();
    hooks.init?.(outside, undefined as never);
    hooks.settled?.(outside);
    expect(kept).toEqual(store());
  });
});
