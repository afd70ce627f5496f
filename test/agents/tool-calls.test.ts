import fc from 'fast-check';
import { z } from 'zod';
import type { Reconciled, ToolRun, ToolUse } from '../../src/agents/base-agent';
import { agentState, memoryContext, scriptedModel, type AgentState } from '../../src/agents/testing';
import { DEFAULT_TOOLS, TOOL_NAMES, toolsNamed } from '../../src/agents/tools';
import { executeBounded, isOutcome, toolCallKey } from '../../src/agents/tools/call-rules';
import { callTool, declare, defineTool } from '../../src/agents/tools/tool';
import { storable, unstorable } from '../../src/core/text';
import { AppError } from '../../src/protocol/failures';
import type { Json } from '../../src/protocol/json';
import { aTask, fakeContext } from './fake-context';

const USE: ToolUse = { name: 'order', arguments: { item: 7 }, step: '1.1', sideEffects: 'dangerous' };
const RUN: ToolRun = { signal: new AbortController().signal, idempotencyKey: 'k' };
const never = (): Promise<never> => new Promise(() => undefined);

describe('one execution', () => {
  test('ends at its time limit, and tells the tool', async () => {
    let signal: AbortSignal | undefined;
    const late = executeBounded({ ...USE, timeoutMs: 5 }, RUN, (run) => {
      ({ signal } = run);
      return never();
    });
    await expect(late).rejects.toMatchObject({
      code: 'TOOL_TIMEOUT',
      message: expect.stringContaining('5 ms'),
    });
    expect(signal?.aborted).toBe(true);
  });

  test('ends with its agent, for the agent\u2019s reason', async () => {
    const stop = new AbortController();
    const reason = new Error('cancelled');
    const call = executeBounded(USE, { ...RUN, signal: stop.signal }, never);
    stop.abort(reason);
    await expect(call).rejects.toBe(reason);
    const work = jest.fn(never);
    await expect(executeBounded(USE, { ...RUN, signal: stop.signal }, work)).rejects.toBe(reason);
    expect(work).not.toHaveBeenCalled();
  });

  test('is bounded in its result, which is JSON that can be stored', async () => {
    const result = (value: unknown) =>
      executeBounded({ ...USE, resultBytes: 12 }, RUN, async () => value as Json);
    expect(await result('0123456789')).toBe('0123456789');
    await expect(result('01234567890')).rejects.toMatchObject({ code: 'TOOL_RESULT_TOO_LARGE' });
    await expect(result(undefined)).rejects.toMatchObject({ code: 'TOOL_FAILED' });
    expect(await result('a\0')).toBe('a\ufffd');
    expect(await result({ at: new Date(0) }).catch((error: unknown) => isOutcome(error))).toBe(false);
  });

  test('any JSON becomes storable, and stays as it is where it was', () => {
    const text = fc.string({
      unit: fc.constantFrom('a', '\\', 'u0000', '\0', '\ud800', '\udc00', '"', '\ufffd'),
    });
    fc.assert(
      fc.property(text, (value) => {
        const kept = JSON.parse(storable(JSON.stringify(value))) as string;
        expect(unstorable(JSON.stringify(kept))).toBeUndefined();
        expect(kept).toBe(Buffer.from(value.replaceAll('\0', '\ufffd')).toString());
      }),
    );
  });
});

test('a call is the same call by run, step, name and arguments, whatever the order of keys', () => {
  const run = { runId: 'r', agentRunId: 'a' };
  const use = { ...USE, arguments: { a: 1, b: [2] } };
  const key = toolCallKey(run, use);
  expect(key).toMatch(/^[0-9a-f]{64}$/);
  expect(toolCallKey(run, { ...use, arguments: { b: [2], a: 1 }, sideEffects: 'none' })).toBe(key);
  const others = [
    toolCallKey({ ...run, runId: 's' }, use),
    toolCallKey({ ...run, agentRunId: 'b' }, use),
    toolCallKey(run, { ...use, step: '1.2' }),
    toolCallKey(run, { ...use, name: 'other' }),
    toolCallKey(run, { ...use, arguments: { a: 1, b: ['2'] } }),
  ];
  expect(new Set([key, ...others]).size).toBe(6);
});

describe('the ledger of the kit', () => {
  const attempt = (state: AgentState) => memoryContext({ model: scriptedModel(), state }).context;
  const died = new Error('the process ended');

  test.each(['none', 'idempotent', 'dangerous'] as const)(
    'answers a known %s call without executing it',
    async (sideEffects) => {
      const state = agentState();
      const work = jest.fn(async () => ({ id: 1 }));
      for (const _ of [1, 2])
        expect(await attempt(state).tool({ ...USE, sideEffects }, work)).toEqual({ id: 1 });
      expect(work).toHaveBeenCalledTimes(1);
      const refused = { ...USE, sideEffects, step: '2.1' };
      const fails = jest.fn(() => Promise.reject(new AppError('TOOL_FAILED', 'sold out')));
      for (const _ of [1, 2])
        await expect(attempt(state).tool(refused, fails)).rejects.toMatchObject({
          code: 'TOOL_FAILED',
          message: 'sold out',
        });
      expect(fails).toHaveBeenCalledTimes(1);
    },
  );

  const reconciled: [string, (() => Promise<Reconciled>) | undefined, unknown, number][] = [
    ['nobody can tell', undefined, { code: 'TOOL_OUTCOME_UNKNOWN' }, 0],
    ['the world cannot tell', async () => 'unknown', { code: 'TOOL_OUTCOME_UNKNOWN' }, 0],
    ['it happened', async () => ({ happened: true, result: 'order 9' }), 'order 9', 0],
    ['it did not happen', async () => ({ happened: false }), 'order 10', 1],
  ];
  test.each(reconciled)('after a lost dangerous call: %s', async (_, reconcile, outcome, executed) => {
    const state = agentState();
    await expect(attempt(state).tool(USE, () => Promise.reject(died))).rejects.toBe(died);
    const work = jest.fn(async () => 'order 10');
    const use = reconcile === undefined ? USE : { ...USE, reconcile };
    const again = await attempt(state)
      .tool(use, work)
      .catch((error: unknown) => error);
    if (typeof outcome === 'string') expect(again).toBe(outcome);
    else expect(again).toMatchObject(outcome as object);
    expect(work).toHaveBeenCalledTimes(executed);
  });

  test('an idempotent call is made again with the key it had', async () => {
    const state = agentState();
    const keys: string[] = [];
    const use = { ...USE, sideEffects: 'idempotent' as const };
    const work = ({ idempotencyKey }: ToolRun) => {
      keys.push(idempotencyKey);
      return keys.length === 1 ? Promise.reject(died) : Promise.resolve('done');
    };
    await expect(attempt(state).tool(use, work)).rejects.toBe(died);
    expect(await attempt(state).tool(use, work)).toBe('done');
    expect(keys).toEqual([keys[0], keys[0]]);
  });
});

describe('a tool of an author', () => {
  const scope = () => ({ task: aTask(), context: fakeContext().context });
  const call = (given: Json) => ({ call: { id: 'a', name: 'order', arguments: given }, step: '1.1' });
  const define = (more: Partial<Parameters<typeof defineTool>[0]>) =>
    defineTool({
      name: 'order',
      description: 'Orders',
      arguments: z.strictObject({ item: z.int() }),
      run: () => 'ok',
      ...more,
    });

  test('hands the ledger what it declares, its reconciliation with the arguments of the call', async () => {
    const given = scope();
    const uses: ToolUse[] = [];
    const context = { ...given.context, tool: (use: ToolUse) => Promise.resolve(uses.push(use)) };
    const reconcile = jest.fn(async () => 'unknown' as const);
    const order = define({ sideEffects: 'dangerous', timeoutMs: 7, resultBytes: 8, reconcile });
    await callTool([order], call({ item: 7 }), { ...given, context });
    expect(uses).toEqual([
      expect.objectContaining({ sideEffects: 'dangerous', step: '1.1', timeoutMs: 7, resultBytes: 8 }),
    ]);
    await uses[0]?.reconcile?.(RUN);
    expect(reconcile).toHaveBeenCalledWith({ item: 7 }, expect.objectContaining({ idempotencyKey: 'k' }));
    await callTool([order], call({ item: 'x' }), { ...given, context });
    expect(uses[1]).toMatchObject({ sideEffects: 'none', arguments: { item: 'x' } });
    expect(uses[1]?.reconcile).toBeUndefined();
  });

  test('a result that is too large is told where nothing happened, and ends the agent where something did', async () => {
    const large = { resultBytes: 4, run: () => 'far too large' };
    expect(await callTool([define(large)], call({ item: 7 }), scope())).toMatchObject({
      failed: true,
      text: expect.stringContaining('its limit is 4'),
    });
    const order = define({ ...large, sideEffects: 'dangerous' });
    await expect(callTool([order], call({ item: 7 }), scope())).rejects.toMatchObject({
      code: 'TOOL_RESULT_TOO_LARGE',
    });
  });

  test('a failure is told the same in every attempt, whatever it holds', async () => {
    const order = define({
      run: () => {
        throw new AppError('INPUT_INVALID', `two\nlines \0 ${'x'.repeat(2_000)}`);
      },
    });
    const { text } = await callTool([order], call({ item: 7 }), scope());
    expect(text).toMatch(/^two lines x+\.\.\.$/);
    expect(text.length).toBeLessThan(1_000);
  });
});

describe('the built-in tools', () => {
  test('are told to models in JSON Schema, each under its own name', () => {
    const declared = toolsNamed(TOOL_NAMES).map(declare);
    expect(new Set(declared.map(({ name }) => name)).size).toBe(TOOL_NAMES.length);
    for (const { parameters, description } of declared) {
      expect(parameters).toMatchObject({ type: 'object', additionalProperties: false });
      expect(JSON.stringify(parameters)).not.toContain('$ref');
      expect(description).not.toBe('');
    }
  });

  test('reach nothing beyond the run unless they are chosen', () => {
    expect(DEFAULT_TOOLS).toEqual(['calculator', 'date', 'context-read', 'json-query']);
    expect(toolsNamed(DEFAULT_TOOLS).map(({ sideEffects }) => sideEffects)).toEqual([
      'none',
      'none',
      'none',
      'none',
    ]);
    expect(
      toolsNamed(['http-send', 'http-send', 'http-send-idempotent']).map(({ sideEffects }) => sideEffects),
    ).toEqual(['dangerous', 'idempotent']);
    expect(() => toolsNamed(['rocket'])).toThrow(/There is no tool "rocket"; there are calculator/);
  });
});
