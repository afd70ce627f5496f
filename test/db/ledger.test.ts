import { LOCAL_TENANT_ID } from '../../src/protocol/run';
import { NO_USAGE } from '../../src/core/usage';
import { useDatabase } from './support/database';
import {
  acceptedRun,
  aClosing,
  aModelCall,
  anEnd,
  anOpening,
  aSettlement,
  aToolCall,
  opened,
  type Opened,
  story,
  USAGE,
} from './support/samples';

const done = { result: { inline: { sent: true } }, failure: null } as const;
const verdict = { by: 'an operator', ...done };
const failure = { code: 'AGENT_FAILED', message: 'no idea' } as const;
const next = { activityAttempt: 2, tokenHash: 'token-2' };

describe('the ledger', () => {
  const database = useDatabase();
  const ledger = () => database.repositories.toolCalls;
  const begun = async (): Promise<Opened> => {
    const { repositories } = database;
    return opened(repositories, anOpening(await acceptedRun(repositories)));
  };
  const successor = ({ runId }: Opened) => opened(database.repositories, anOpening(runId, next));
  const only = async ({ runId }: Opened) => {
    const rows = await ledger().list(LOCAL_TENANT_ID, runId);
    expect(rows).toHaveLength(1);
    return rows[0];
  };

  describe('of tool calls', () => {
    test('a call is begun once, and its outcome is what every later attempt is told', async () => {
      const first = await begun();
      const call = aToolCall(first);
      expect(await ledger().begin(LOCAL_TENANT_ID, call)).toEqual({ outcome: 'begun' });
      expect(await only(first)).toMatchObject({ status: 'open', attempt: 1, result: null, endedAt: null });
      expect(await ledger().end(LOCAL_TENANT_ID, { ...call, ...done })).toEqual({ outcome: 'ended' });
      const second = await successor(first);
      const again = aToolCall(second);
      expect(await ledger().begin(LOCAL_TENANT_ID, again)).toEqual({ outcome: 'known', ...done });
      const other = { ...again, result: { inline: 'other' }, failure: null } as const;
      expect(await ledger().end(LOCAL_TENANT_ID, other)).toEqual({ outcome: 'already', ...done });
      expect(await only(first)).toMatchObject({
        ...done,
        status: 'done',
        address: '0',
        agent: 'writer',
        tool: 'mail.send',
        step: '1.1',
        arguments: { inline: { to: 'somebody' } },
        attempt: 1,
        resolvedBy: null,
        endedAt: expect.any(String),
      });
    });

    test('a call that an earlier attempt began is open, and says which one that was', async () => {
      const first = await begun();
      await ledger().begin(LOCAL_TENANT_ID, aToolCall(first));
      const second = await successor(first);
      const open = { outcome: 'open', attempt: 1 };
      expect(await ledger().begin(LOCAL_TENANT_ID, aToolCall(second))).toEqual(open);
      expect(await only(first)).toMatchObject({ status: 'open', attempt: 2 });
    });

    test('without side effects nothing is written before the outcome', async () => {
      const first = await begun();
      const call = aToolCall(first, { sideEffects: 'none' });
      expect(await ledger().begin(LOCAL_TENANT_ID, call)).toEqual({ outcome: 'begun' });
      expect(await ledger().list(LOCAL_TENANT_ID, first.runId)).toEqual([]);
      const failed = { result: null, failure: { code: 'TOOL_FAILED', message: 'no such page' } } as const;
      expect(await ledger().end(LOCAL_TENANT_ID, { ...call, ...failed })).toEqual({ outcome: 'ended' });
      expect(await ledger().begin(LOCAL_TENANT_ID, call)).toEqual({ outcome: 'known', ...failed });
      expect(await only(first)).toMatchObject({ status: 'failed', ...failed });
    });

    test('an attempt that was overtaken can neither begin, end nor doubt a call', async () => {
      const first = await begun();
      const call = aToolCall(first);
      await ledger().begin(LOCAL_TENANT_ID, call);
      await successor(first);
      const fenced = { outcome: 'fenced' };
      expect(await ledger().end(LOCAL_TENANT_ID, { ...call, ...done })).toEqual(fenced);
      expect(await ledger().doubt(LOCAL_TENANT_ID, call)).toEqual(fenced);
      expect(await ledger().begin(LOCAL_TENANT_ID, aToolCall(first, { key: 'b'.repeat(64) }))).toEqual(
        fenced,
      );
      expect(await only(first)).toMatchObject({ status: 'open' });
    });

    test('a doubted call is told in the story; an operator resolves it once, which is audited', async () => {
      const { repositories, pool } = database;
      const first = await begun();
      const call = aToolCall(first);
      await ledger().begin(LOCAL_TENANT_ID, call);
      const resolve = () =>
        ledger().resolve(LOCAL_TENANT_ID, { runId: first.runId, key: call.key, ...verdict });
      expect(await resolve()).toEqual({ outcome: 'under-way', attempt: 1 });
      expect(await ledger().doubt(LOCAL_TENANT_ID, call)).toEqual({ outcome: 'unknown' });
      expect(await ledger().doubt(LOCAL_TENANT_ID, call)).toEqual({ outcome: 'unknown' });
      expect(await only(first)).toMatchObject({ status: 'unknown' });
      expect(await resolve()).toEqual({ outcome: 'resolved' });
      expect(await resolve()).toEqual({ outcome: 'already', ...done });
      expect(await ledger().doubt(LOCAL_TENANT_ID, call)).toEqual({ outcome: 'known', ...done });
      expect(await only(first)).toMatchObject({ status: 'done', ...done, resolvedBy: 'an operator' });
      const told = (await story(repositories, first.runId)).slice(3);
      const about = { key: call.key, tool: 'mail.send', step: '1.1' };
      expect(told).toMatchObject([
        { type: 'tool.outcome-unknown', address: '0', data: { ...about, attempt: 1 } },
        { type: 'tool.resolved', address: '0', data: { ...about, by: 'an operator', failed: false } },
      ]);
      const client = await pool.connect();
      await client.query("begin; select set_config('app.tenant', $$" + LOCAL_TENANT_ID + '$$, true)');
      const { rows } = await client.query('select actor, purpose, detail from ensemble.audit_log');
      await client.query('rollback');
      client.release();
      expect(rows).toMatchObject([
        { actor: 'an operator', purpose: 'resolve-tool-call', detail: { key: call.key, runId: first.runId } },
      ]);
    });

    test('what is resolved after the run’s end changes the ledger and not the story', async () => {
      const { repositories } = database;
      const first = await begun();
      const call = aToolCall(first);
      await ledger().begin(LOCAL_TENANT_ID, call);
      await repositories.runs.finish(LOCAL_TENANT_ID, anEnd(first.runId));
      const before = await story(repositories, first.runId);
      const { runId } = first;
      const no = { by: 'me', result: null, failure: { code: 'TOOL_FAILED', message: 'never sent' } } as const;
      expect(await ledger().resolve(LOCAL_TENANT_ID, { runId, key: call.key, ...no })).toEqual({
        outcome: 'resolved',
      });
      expect(await only(first)).toMatchObject({ status: 'failed', failure: no.failure });
      expect(await story(repositories, runId)).toEqual(before);
      const unknown = { runId, key: 'c'.repeat(64), ...verdict };
      expect(await ledger().resolve(LOCAL_TENANT_ID, unknown)).toEqual({ outcome: 'call-unknown' });
    });
  });

  describe('of journals', () => {
    test('entries are kept in order across attempts; one sent again, or by a zombie, changes nothing', async () => {
      const { journal } = database.repositories;
      const first = await begun();
      const write = (attempt: Opened, seq: number, text: string) =>
        journal.append(LOCAL_TENANT_ID, { ...attempt, seq, entry: { inline: text } });
      expect(await write(first, 1, 'one')).toBe('appended');
      expect(await write(first, 2, 'two')).toBe('appended');
      expect(await write(first, 2, 'again')).toBe('already');
      const second = await successor(first);
      expect(await write(first, 3, 'zombie')).toBe('fenced');
      expect(await write(second, 3, 'three')).toBe('appended');
      expect(await journal.read(LOCAL_TENANT_ID, second)).toEqual([
        { inline: 'one' },
        { inline: 'two' },
        { inline: 'three' },
      ]);
    });
  });

  describe('of model calls', () => {
    const calls = () => database.repositories.modelCalls;

    test('failed attempts count in the agent run, and agent runs that failed in the run', async () => {
      const { repositories } = database;
      const first = await begun();
      await calls().record(
        LOCAL_TENANT_ID,
        aModelCall(first, { failure: { code: 'MODEL_TIMEOUT', message: 'x' } }),
      );
      await repositories.agentRuns.failAttempt(LOCAL_TENANT_ID, { ...first, failure, willRetry: true });
      const agents = () => repositories.agentRuns.listByRun(LOCAL_TENANT_ID, first.runId);
      expect(await agents()).toMatchObject([{ status: 'running', usage: USAGE }]);
      const second = await successor(first);
      await calls().record(LOCAL_TENANT_ID, aModelCall(second, { outputTokens: 7 }));
      const twice = {
        modelCalls: 2,
        inputTokens: 20,
        outputTokens: null,
        cachedInputTokens: 8,
        reasoningTokens: 0,
        costMicros: 50,
      };
      expect(await repositories.agentRuns.close(LOCAL_TENANT_ID, aClosing(second))).toEqual({
        outcome: 'closed',
        usage: twice,
      });
      const lost = await opened(repositories, anOpening(first.runId, { address: '1' }));
      await calls().record(LOCAL_TENANT_ID, aModelCall(lost, { costMicros: null }));
      await repositories.agentRuns.settle(LOCAL_TENANT_ID, aSettlement(first.runId, { address: '1' }));
      const cut = await opened(repositories, anOpening(first.runId, { address: '2' }));
      await calls().record(LOCAL_TENANT_ID, aModelCall(cut));
      await repositories.runs.finish(LOCAL_TENANT_ID, anEnd(first.runId));
      expect((await agents()).map(({ usage }) => usage)).toEqual([
        twice,
        { ...USAGE, costMicros: null },
        USAGE,
      ]);
      const sum = { ...twice, modelCalls: 4, inputTokens: 40, cachedInputTokens: 16, costMicros: null };
      const run = await repositories.runs.find(LOCAL_TENANT_ID, first.runId);
      expect(run?.usage).toEqual(sum);
      expect(await calls().usageOf(LOCAL_TENANT_ID, first.runId)).toEqual(sum);
      const last = (await story(repositories, first.runId)).at(-1);
      expect(last).toMatchObject({ type: 'run.completed', data: { usage: sum } });
      expect(await calls().ofRun(LOCAL_TENANT_ID, first.runId)).toMatchObject([
        { attempt: 1, address: '0', agent: 'writer', failure: { code: 'MODEL_TIMEOUT' }, costMicros: 25 },
        { attempt: 2, outputTokens: 7, failure: null, firstTokenMs: null, durationMs: 120 },
        { address: '1', costMicros: null },
        { address: '2', pricesOf: '2026-10-24' },
      ]);
    });

    test('a call told twice counts once; what a zombie spent is added even after the end', async () => {
      const { repositories } = database;
      const first = await begun();
      const second = await successor(first);
      await repositories.agentRuns.close(LOCAL_TENANT_ID, aClosing(second));
      await repositories.runs.finish(LOCAL_TENANT_ID, anEnd(first.runId));
      const before = await story(repositories, first.runId);
      const call = aModelCall(first);
      await calls().record(LOCAL_TENANT_ID, call);
      await calls().record(LOCAL_TENANT_ID, call);
      const [agent] = await repositories.agentRuns.listByRun(LOCAL_TENANT_ID, first.runId);
      expect(agent).toMatchObject({ status: 'completed', usage: USAGE });
      expect(await repositories.runs.find(LOCAL_TENANT_ID, first.runId)).toMatchObject({ usage: USAGE });
      expect(await story(repositories, first.runId)).toEqual(before);
    });

    test('a run without a model call took nothing, which is not unknown', async () => {
      const { repositories } = database;
      const first = await begun();
      expect(await calls().usageOf(LOCAL_TENANT_ID, first.runId)).toEqual(NO_USAGE);
      const closed = { outcome: 'closed', usage: NO_USAGE };
      expect(await repositories.agentRuns.close(LOCAL_TENANT_ID, aClosing(first))).toEqual(closed);
    });

    test('20 calls recorded while their agent run closes are all in its usage', async () => {
      const { repositories } = database;
      const first = await begun();
      await Promise.all([
        ...Array.from({ length: 20 }, () => calls().record(LOCAL_TENANT_ID, aModelCall(first))),
        repositories.agentRuns.close(LOCAL_TENANT_ID, aClosing(first)),
      ]);
      const [agent] = await repositories.agentRuns.listByRun(LOCAL_TENANT_ID, first.runId);
      expect(agent?.usage).toMatchObject({ modelCalls: 20, costMicros: 500 });
    });
  });
});
