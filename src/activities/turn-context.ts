import type { ContextChange, ContextRules, ContextSeen } from '../protocol/context';
import type { Json, Value } from '../protocol/json';
import { ContextBook } from '../core/context/book';
import type { ContextPort, DraftWrite } from '../agents/context-access';
import type { Rests } from '../agents/long-wait';
import type { HistoryOptions } from '../agents/shared-context';
import type { StoredChange } from '../db/repositories/context';
import type { Held } from './bus/turn-bus';
import { ContextWriter } from './context-writer';
import type { ExecuteDeps } from './execute-agent';
import type { Turn } from './run-turn';
import type { Watch } from './watch';

/** The contexts of one attempt: the shared one in its run's workflow, its agent's own in PostgreSQL. */
export class TurnContext implements ContextPort {
  readonly agent: string;
  readonly rules: ContextRules;
  private writer: ContextWriter | undefined;
  private own: Promise<{ readonly book: ContextBook; readonly changes: readonly StoredChange[] }> | undefined;

  constructor(
    private readonly deps: ExecuteDeps,
    private readonly turn: Turn & Held & { readonly watch: Watch; readonly rests: Rests },
  ) {
    const { input } = turn;
    this.agent = input.agent.name;
    this.rules = input.contextRules ?? {};
  }

  /** Asked for only by those who wait: most turns need none. */
  get signal(): AbortSignal {
    return this.turn.watch.signal;
  }

  get rests(): Rests {
    return this.turn.rests;
  }

  assertOpen(): void {
    this.turn.watch.assertOpen();
  }

  seen(key: string, now = false): Promise<ContextSeen | undefined> {
    return now ? this.deps.readContext(this.turn.input.runId, key) : this.writes().seen(key);
  }

  leave(write: DraftWrite): Promise<number> {
    return this.writes().leave(write);
  }

  load(value: Value): Promise<Json> {
    return this.deps.repositories.values.load(this.turn.input.tenantId, value);
  }

  async history(key: string, page: Required<HistoryOptions>): Promise<readonly ContextChange[]> {
    const { tenantId, runId } = this.turn.input;
    return this.loaded(await this.deps.repositories.context.history(tenantId, runId, { key, ...page }));
  }

  changed(timeoutMs: number): Promise<void> {
    return this.deps.contextOutbox.changed(this.turn.input.runId, timeoutMs, this.signal);
  }

  async privateSeen(key: string): Promise<Value | undefined> {
    const { book } = await this.privately();
    return book.seen(key)?.value;
  }

  async privateHistory(
    key: string,
    { after, limit }: Required<HistoryOptions>,
  ): Promise<readonly ContextChange[]> {
    const { changes } = await this.privately();
    const ofKey = changes.filter((change) => change.key === key && change.version > after);
    return this.loaded(ofKey.slice(0, limit));
  }

  /** What earlier executions of this agent left: nobody writes there meanwhile but this agent itself. */
  private privately() {
    this.own ??= this.readOwn();
    return this.own;
  }

  private async readOwn() {
    const { input, attempt } = this.turn;
    const written = await this.deps.repositories.context.privateWrites(input.tenantId, attempt);
    const book = new ContextBook(this.rules);
    const changes = written.flatMap(({ write, ...cause }): StoredChange[] => {
      const answer = book.write(write, this.agent);
      if ('refused' in answer) return [];
      return [
        {
          ...cause,
          key: write.key,
          op: write.op,
          value: 'value' in write ? write.value : null,
          version: answer.version,
        },
      ];
    });
    return { book, changes };
  }

  private async loaded(changes: readonly StoredChange[]): Promise<readonly ContextChange[]> {
    const loaded: ContextChange[] = [];
    for (const change of changes)
      loaded.push({ ...change, value: change.value === null ? null : await this.load(change.value) });
    return loaded;
  }

  private writes(): ContextWriter {
    this.writer ??= new ContextWriter(this.deps, this.turn);
    return this.writer;
  }
}
