import { AppError } from '../protocol/failures';
import type { Json } from '../protocol/json';
import { storableCopy } from '../core/text';
import type { Journal } from '../agents/base-agent';
import type { Repositories } from '../db/repositories';
import type { Held } from './bus/turn-bus';
import { kept, type Waiting } from './kept';
import type { Turn } from './run-turn';

/** An agent run's journal in PostgreSQL, as one attempt reads and writes it. */
export class AgentJournal implements Journal {
  private entries: Promise<Json[]> | undefined;
  private last: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly repositories: Repositories,
    private readonly turn: Turn & Held & { readonly watch: Waiting },
  ) {}

  async read(): Promise<readonly Json[]> {
    return [...(await this.loaded())];
  }

  /** One after the other. Where one could not be kept, none that follows it is: a journal has no holes. */
  append(entry: Json): Promise<void> {
    const appended = this.last.then(() => this.write(entry));
    this.last = appended;
    // Whoever appends next, or awaits this, is told.
    appended.catch(() => undefined);
    return appended;
  }

  private async write(given: Json): Promise<void> {
    const entries = await this.loaded();
    const held = this.turn.bus.held();
    if (held !== undefined) await held;
    const entry = storableCopy(given);
    const { input, attempt, watch } = this.turn;
    const append = async () =>
      this.repositories.journal.append(input.tenantId, {
        runId: input.runId,
        agentRunId: attempt.agentRunId,
        attempt: attempt.number,
        tokenHash: attempt.tokenHash,
        seq: entries.length + 1,
        entry: await this.repositories.values.store(input.tenantId, entry),
      });
    const outcome = await kept(watch, append);
    if (outcome === 'fenced')
      throw new AppError(
        'ATTEMPT_FENCED',
        'A later attempt took over; this one wrote nothing into its journal',
      );
    entries.push(entry);
  }

  private loaded(): Promise<Json[]> {
    this.entries ??= this.load();
    return this.entries;
  }

  private async load(): Promise<Json[]> {
    const { input, attempt } = this.turn;
    if (attempt.number === 1) return [];
    const entries: Json[] = [];
    for (const value of await this.repositories.journal.read(input.tenantId, attempt))
      entries.push(await this.repositories.values.load(input.tenantId, value));
    return entries;
  }
}
