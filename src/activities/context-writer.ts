import type { ContextSeen, ImmediateWrite, NumberedWrite, WriteAnswer } from '../protocol/context';
import { AppError } from '../protocol/failures';
import type { Value } from '../protocol/json';
import { LIMITS } from '../protocol/limits';
import type { FactsByBlob } from '../protocol/run';
import { canonical } from '../core/context/merges';
import { factsOf } from '../core/facts';
import type { DraftWrite } from '../agents/context-access';
import { reach } from '../telemetry/kill-points';
import type { Held } from './bus/turn-bus';
import { failureFrom } from './agent-failure';
import type { ExecuteDeps } from './execute-agent';
import { kept, type Waiting } from './kept';
import type { Turn } from './run-turn';
import { storeWithFacts } from './stored-values';

/** A write that an earlier attempt made, and what its key held when it was made. */
interface Made {
  readonly write: ImmediateWrite;
  readonly version: number;
  readonly before: ContextSeen | null;
  /** How often the key was read as it was before. */
  shown: number;
}

const SHOWN_AT_MOST = 100;

interface Queued {
  readonly draft: DraftWrite;
  readonly resolve: (version: number) => void;
  readonly reject: (error: unknown) => void;
}

interface Fresh {
  readonly queued: Queued;
  readonly numbered: NumberedWrite;
}

/**
 * The writes of one agent run that leave at once. Each is written down under the attempt's token before it is sent, with a
 * number; the run makes each number once. A later attempt sees the keys as an earlier one did before its writes, and a write
 * that is the same as then is answered with what came of it; where it goes another way, it goes on with what is there now.
 */
export class ContextWriter {
  private queue: Queued[] = [];
  private leaving = false;
  private numbered = 0;
  /** Written down, and nobody knows what became of them. */
  private open: readonly NumberedWrite[] = [];
  private made: Promise<Map<string, Made[]>> | undefined;
  /** Why it is not known whether the last writes were written down: only a later attempt can tell, by reading. */
  private lost: AppError | undefined;

  constructor(
    private readonly deps: ExecuteDeps,
    private readonly turn: Turn & Held & { readonly watch: Waiting },
  ) {}

  async seen(key: string): Promise<ContextSeen | undefined> {
    const earlier = await this.earlier();
    const [next] = earlier.get(key) ?? [];
    if (next !== undefined && next.shown < SHOWN_AT_MOST) {
      next.shown += 1;
      return next.before ?? undefined;
    }
    // It has gone another way, and looks at the key for something that is yet to come.
    earlier.delete(key);
    return this.deps.readContext(this.turn.input.runId, key);
  }

  /** In the order of the calls; those that come while others are on their way go together. */
  leave(draft: DraftWrite): Promise<number> {
    return new Promise((resolve, reject) => {
      this.queue.push({ draft, resolve, reject });
      if (!this.leaving) void this.leaveAll();
    });
  }

  private async leaveAll(): Promise<void> {
    this.leaving = true;
    while (this.queue.length > 0) {
      await Promise.resolve();
      const batch = this.queue.slice(0, LIMITS.contextWritesPerBatch);
      this.queue = this.queue.slice(batch.length);
      await this.leaveTogether(batch).catch((error: unknown) => {
        for (const { reject } of batch) reject(error);
      });
    }
    this.leaving = false;
  }

  private async leaveTogether(batch: readonly Queued[]): Promise<void> {
    if (this.lost !== undefined) throw this.lost;
    const held = this.turn.bus.held();
    if (held !== undefined) await held;
    const earlier = await this.earlier();
    if (this.open.length > 0) await this.settle();
    const facts: FactsByBlob[] = [];
    const fresh: Fresh[] = [];
    for (const queued of batch) {
      const stored = await this.stored(queued.draft).catch(queued.reject);
      if (stored === undefined) continue;
      const known = repeated(earlier, stored.write);
      const number = this.numbered + fresh.length + 1;
      if (known !== undefined) queued.resolve(known);
      else if (number > LIMITS.contextWritesAtOnce) queued.reject(tooMany());
      else {
        fresh.push({ queued, numbered: { address: this.turn.input.address, number, write: stored.write } });
        facts.push(stored.facts);
      }
    }
    if (fresh.length === 0) return;
    reach('context.before');
    await this.writeDown(fresh.map(({ numbered }) => numbered));
    reach('context.written');
    const answers = await this.send({ writes: this.open, facts: Object.assign({}, ...facts) as FactsByBlob });
    this.open = [];
    reach('context.after');
    for (const [index, { queued }] of fresh.entries()) {
      const answer = answers[index];
      if (answer !== undefined && 'version' in answer) queued.resolve(answer.version);
      else if (answer !== undefined) queued.reject(new AppError(answer.refused, answer.message));
    }
  }

  private async stored(
    draft: DraftWrite,
  ): Promise<{ readonly write: ImmediateWrite; readonly facts: FactsByBlob }> {
    const { tenantId, factsWanted, inlineBytes = LIMITS.inlineValueBytes } = this.turn.input;
    const { value: json, ...rest } = draft;
    const storing = { tenantId, json, factsWanted: factsWanted?.context[draft.key] ?? [], inlineBytes };
    const { value, facts } = await kept(this.turn.watch, () =>
      storeWithFacts(this.deps.repositories, storing),
    );
    if (draft.op !== 'compare-and-set' && !('inline' in value))
      throw new AppError(
        'CONTEXT_UNMERGEABLE',
        `What is added to context key "${draft.key}" at once has more than ${inlineBytes} bytes; set it, or compare and set it`,
      );
    return { write: { ...rest, value }, facts };
  }

  /** From here on they will be made, by this attempt or a later one. */
  private async writeDown(writes: readonly NumberedWrite[]): Promise<void> {
    const { input, attempt, watch } = this.turn;
    const { context } = this.deps.repositories;
    const noted = {
      runId: input.runId,
      agentRunId: attempt.agentRunId,
      attempt: attempt.number,
      tokenHash: attempt.tokenHash,
      writes: writes.map(({ number, write }) => ({ number, write })),
    };
    const outcome = await kept(watch, () => context.writeDown(input.tenantId, noted)).catch(
      (error: unknown) => {
        this.lost = new AppError(failureFrom(error).code, failureFrom(error).message, { cause: error });
        throw error;
      },
    );
    if (outcome === 'fenced')
      throw new AppError('ATTEMPT_FENCED', 'A later attempt took over; this one wrote nothing');
    this.numbered += writes.length;
    this.open = writes;
  }

  /** The answer was lost on the way, and the agent has gone on: it is asked for, so that the next number follows. */
  private async settle(): Promise<void> {
    await this.send({ writes: this.open, facts: {} });
    this.open = [];
  }

  private send(sending: {
    readonly writes: readonly NumberedWrite[];
    readonly facts: FactsByBlob;
    readonly recall?: boolean;
  }): Promise<readonly WriteAnswer[]> {
    return this.deps.contextOutbox.send({ runId: this.turn.input.runId, ...sending });
  }

  /** What earlier attempts wrote, by key: the first attempt has none before it, and asks nobody. */
  private earlier(): Promise<Map<string, Made[]>> {
    if (this.turn.attempt.number === 1) return NOTHING;
    this.made ??= this.recalled().catch((error: unknown) => {
      this.made = undefined;
      throw error;
    });
    return this.made;
  }

  /** What predicates ask of the blobs in writes: whoever wrote them down may have died before telling. */
  private async factsOf(written: readonly { readonly write: ImmediateWrite }[]): Promise<FactsByBlob> {
    const { tenantId, factsWanted } = this.turn.input;
    const facts: Record<string, FactsByBlob[string]> = {};
    for (const { write } of written) {
      const wanted = factsWanted?.context[write.key] ?? [];
      if (wanted.length === 0 || !('value' in write) || !('ref' in write.value)) continue;
      const json = await this.deps.repositories.values.load(tenantId, write.value);
      facts[write.value.ref.blob] = factsOf(json, wanted);
    }
    return facts;
  }

  /** Sends again what earlier attempts wrote down: what was never made is made now, of the rest it is told what came of it. */
  private async recalled(): Promise<Map<string, Made[]>> {
    const { input, attempt } = this.turn;
    const { address, tenantId } = input;
    // Of earlier turns the run knows already, and the agent goes on after them.
    const { written: after = 0 } = attempt.resumption ?? {};
    const written = await this.deps.repositories.context.written(tenantId, attempt, after);
    const made = new Map<string, Made[]>();
    for (let from = 0; from < written.length; from += LIMITS.contextWritesPerBatch) {
      const part = written.slice(from, from + LIMITS.contextWritesPerBatch);
      const writes = part.map((one) => ({ address, ...one }));
      const answers = await this.send({ writes, facts: await this.factsOf(part), recall: true });
      for (const [index, { write }] of part.entries()) {
        const answer = answers[index];
        if (answer === undefined || 'refused' in answer) continue;
        const { version, before = null } = answer;
        made.set(write.key, [...(made.get(write.key) ?? []), { write, version, before, shown: 0 }]);
      }
    }
    this.numbered = after + written.length;
    return made;
  }
}

function tooMany(): AppError {
  return new AppError(
    'CONTEXT_LIMIT',
    `The agent has made ${LIMITS.contextWritesAtOnce} context writes at once, the limit (contextWritesAtOnce): ` +
      'write with the completion of the turn',
  );
}

const NOTHING = Promise.resolve(new Map<string, Made[]>());

/** Answers a write that an earlier attempt made at this point. Another one than that is new, and so is all that follows. */
function repeated(earlier: Map<string, Made[]>, write: ImmediateWrite): number | undefined {
  const [next, ...rest] = earlier.get(write.key) ?? [];
  if (next === undefined) return undefined;
  const same = canonical(asJson(next.write)) === canonical(asJson(write));
  if (!same || rest.length === 0) earlier.delete(write.key);
  else earlier.set(write.key, rest);
  return same ? next.version : undefined;
}

function asJson(write: ImmediateWrite): { readonly [key: string]: string | number | Value } {
  return { ...write };
}
