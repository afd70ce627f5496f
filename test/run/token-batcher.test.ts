import { TokenBatcher } from '../../src/activities/token-batcher';
import { expireTokens } from '../../src/runtime/expire-tokens';
import { AppError } from '../../src/protocol/failures';
import { LOCAL_TENANT_ID } from '../../src/protocol/run';
import { createLogger } from '../../src/telemetry/log';
import { useDatabase } from '../db/support/database';
import { acceptedRun, anEnd, anOpening, opened, type Opened } from '../db/support/samples';

const log = createLogger({ level: 'silent', format: 'json' });

describe('the batcher of a process', () => {
  const database = useDatabase();
  const tokens = () => database.repositories.tokens;

  const sourceOf = ({ runId, agentRunId, attempt }: Opened) => ({
    tenantId: LOCAL_TENANT_ID,
    runId,
    agentRunId,
    attempt,
  });
  const saidIn = async (runId: string): Promise<Map<string, string>> => {
    const said = new Map<string, string>();
    for (let cursor = 0; ;) {
      const page = await tokens().after(LOCAL_TENANT_ID, runId, { afterSeq: cursor, limit: 1_000 });
      for (const { address, text } of page) said.set(address, (said.get(address) ?? '') + text);
      if (page.length < 1_000) return said;
      cursor = page.at(-1)?.seq ?? cursor;
    }
  };
  const many = (runId: string, count: number) =>
    Promise.all(
      Array.from({ length: count }, (_, index) =>
        opened(database.repositories, anOpening(runId, { address: `${index}` })),
      ),
    );

  test('200 streams are written by one statement at a time, and every one of them is complete', async () => {
    const runs = await Promise.all(Array.from({ length: 4 }, () => acceptedRun(database.repositories)));
    const attempts = (await Promise.all(runs.map((runId) => many(runId, 50)))).flat();
    let atOnce = 0;
    let mostAtOnce = 0;
    let statements = 0;
    const append: ReturnType<typeof tokens>['append'] = async (...given) => {
      statements += 1;
      mostAtOnce = Math.max(mostAtOnce, (atOnce += 1));
      return tokens()
        .append(...given)
        .finally(() => (atOnce -= 1));
    };
    const batcher = new TokenBatcher({ repositories: { tokens: { ...tokens(), append } }, log });
    const words = Array.from({ length: 50 }, (_, index) => `word-${index} `);
    const writers = attempts.map((attempt) => batcher.writer(sourceOf(attempt)));
    await Promise.all(
      writers.map(async (writer) => {
        const stream = writer.stream();
        for (const word of words) {
          await stream.push({ type: 'text', text: word });
          await new Promise((resolve) => setTimeout(resolve, 4));
        }
        stream.end();
      }),
    );
    await Promise.all(writers.map((writer) => writer.flush()));
    for (const runId of runs) {
      const said = await saidIn(runId);
      expect(said.size).toBe(50);
      expect(new Set(said.values())).toEqual(new Set([words.join('')]));
    }
    expect(mostAtOnce).toBe(1);
    // 10 000 deltas; one statement each would be as many.
    expect(statements).toBeLessThan(500);
  });

  test('while the database is away pieces wait, a model that is far ahead too, and nothing is stored twice', async () => {
    const runId = await acceptedRun(database.repositories);
    const [attempt] = await many(runId, 1);
    if (attempt === undefined) throw new Error('no attempt');
    let away = 3;
    const append: ReturnType<typeof tokens>['append'] = async (...given) => {
      // The answer is lost, not the batch: what is sent again is there already.
      const count = await tokens().append(...given);
      if ((away -= 1) >= 0) throw new AppError('DATABASE_UNAVAILABLE', 'gone');
      return count;
    };
    const batcher = new TokenBatcher({ repositories: { tokens: { ...tokens(), append } }, log });
    const writer = batcher.writer(sourceOf(attempt));
    const stream = writer.stream();
    const page = 'x'.repeat(40_000);
    await stream.push({ type: 'text', text: page });
    // Over the bound: this one waits for the database.
    await stream.push({ type: 'text', text: page });
    expect(away).toBeLessThan(0);
    await stream.push({ type: 'text', text: 'the end' });
    await writer.flush();
    expect((await saidIn(runId)).get('0')).toBe(`${page}${page}the end`);
  });

  test('what is refused is dropped, and holds up neither the turn nor the other streams', async () => {
    const runId = await acceptedRun(database.repositories);
    const [attempt] = await many(runId, 1);
    if (attempt === undefined) throw new Error('no attempt');
    let refused = 0;
    const append: ReturnType<typeof tokens>['append'] = async (...given) => {
      if ((refused += 1) === 1) throw new AppError('INPUT_INVALID', 'no');
      return tokens().append(...given);
    };
    const batcher = new TokenBatcher({ repositories: { tokens: { ...tokens(), append } }, log });
    const writer = batcher.writer(sourceOf(attempt));
    const stream = writer.stream();
    await stream.push({ type: 'text', text: 'lost' });
    await writer.flush();
    await stream.push({ type: 'text', text: 'kept' });
    await writer.flush();
    expect((await saidIn(runId)).get('0')).toBe('kept');
  });

  test('old streams are removed in turn, and it is written down that they were', async () => {
    const { repositories, admin } = database;
    const [ended, running] = [await acceptedRun(repositories), await acceptedRun(repositories)];
    for (const runId of [ended, running])
      for (const attempt of await many(runId, 1)) {
        const writer = new TokenBatcher({ repositories, log }).writer(sourceOf(attempt));
        writer.stream().end();
        await writer.flush();
      }
    await repositories.runs.finish(LOCAL_TENANT_ID, anEnd(ended));
    await expireTokens({ repositories, actor: 'a worker' }, 0);
    // Whoever asks again at once has to wait for its turn.
    await expireTokens({ repositories, actor: 'another' }, 0);
    const { rows: left } = await admin.query<{ run_id: string }>('select run_id from ensemble.token_streams');
    expect(left.map(({ run_id }) => run_id)).not.toContain(ended);
    expect(left.map(({ run_id }) => run_id)).toContain(running);
    const { rows: audit } = await admin.query('select actor, purpose, detail from ensemble.audit_log');
    expect(audit).toEqual([{ actor: 'a worker', purpose: 'expire-tokens', detail: { removed: 1 } }]);
  });
});
