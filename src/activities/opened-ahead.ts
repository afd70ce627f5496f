import { hash, randomUUID } from 'node:crypto';
import { Context } from '@temporalio/activity';
import { LRUCache } from 'lru-cache';
import { uuidv7 } from 'uuidv7';
import type { OpenedAhead } from '../db/repositories/agent-runs';
import type { ExecuteAgentInput, NextAgent } from '../protocol/run';
import type { Attempt } from './run-turn';

/** Its activity comes in the next moment or goes elsewhere, where it is opened anew. */
const KEPT_MS = 30_000;

/** Issued by the worker and never part of an activity's input or result, so no history ever holds it. */
export function newTokenHash(): string {
  return hash('sha256', randomUUID() + randomUUID(), 'hex');
}

export function workerIdentity(): string {
  return `${Context.current().info.taskQueue}@${process.pid}`;
}

/**
 * What this process has opened with the closing of the agent before: in a sequence each agent then costs one statement
 * instead of two. Only where the worker has a slot for it: what waits for one has not begun.
 */
export class AheadOpenings {
  private readonly attempts: LRUCache<string, Attempt>;
  private working = 0;

  /** `slots`: how many agents the worker lets work at once. */
  constructor(private readonly slots: number) {
    // Small, and without a timer of its own: it clears all of its places whenever its last entry is taken. At most as many as
    // there are slots are still to come, and what went elsewhere is mostly older.
    this.attempts = new LRUCache({ max: 2 * slots, ttl: KEPT_MS, ttlResolution: 0 });
  }

  /** An agent is at work, as long as what this returns is not disposed. */
  enter(): Disposable {
    this.working += 1;
    return { [Symbol.dispose]: () => void (this.working -= 1) };
  }

  propose(next: NextAgent | undefined): OpenedAhead | undefined {
    if (next === undefined || this.working >= this.slots) return undefined;
    return { ...next, candidateId: uuidv7(), tokenHash: newTokenHash(), worker: workerIdentity() };
  }

  keep(runId: string, { address, candidateId, tokenHash }: OpenedAhead): void {
    this.attempts.set(keyOf({ runId, address }), { agentRunId: candidateId, number: 1, tokenHash });
  }

  /** Given away once. */
  take(input: Pick<ExecuteAgentInput, 'runId' | 'address'>): Attempt | undefined {
    const key = keyOf(input);
    const attempt = this.attempts.get(key);
    this.attempts.delete(key);
    return attempt;
  }
}

function keyOf({ runId, address }: Pick<ExecuteAgentInput, 'runId' | 'address'>): string {
  return `${runId} ${address}`;
}
