import { and, asc, eq } from 'drizzle-orm';
import type { Pool } from 'pg';
import type { Usage } from '../../protocol/agent';
import type { ModelCallRecord } from '../../protocol/model-call';
import { knownRun, parseStored, StoredFailure, StoredUsage } from '../answers';
import { RecordModelCallAnswer } from '../answers-ledger';
import type { ModelCallRow } from '../rows';
import { modelCalls } from '../schema/ledger';
import { agentRuns } from '../schema/runs';
import { callQuietly, withTenant } from '../tenant-door';

/** A call to a model, and who made it. `id` is a UUIDv7 made by the caller, so that telling it again changes nothing. */
export interface NewModelCall extends ModelCallRecord {
  readonly id: string;
  readonly runId: string;
  readonly agentRunId: string;
}

/** What was asked of models, and what it cost. */
export function createModelCalls(pool: Pool) {
  return {
    /**
     * Throws RUN_UNKNOWN. Not fenced, as the one write of an attempt: the money of one that was overtaken is spent all
     * the same. It cannot change what a run comes to, only what it took.
     */
    async record(tenantId: string, call: NewModelCall): Promise<void> {
      const answer = await callQuietly(pool, 'record_model_call', { tenantId, body: call });
      knownRun(parseStored(RecordModelCallAnswer, answer), call.runId);
    },

    /** In the order in which they began. */
    ofRun: (tenantId: string, runId: string) =>
      withTenant(pool, tenantId, async (tx): Promise<ModelCallRow[]> => {
        const rows = await tx
          .select({ call: modelCalls, address: agentRuns.address, agent: agentRuns.agent })
          .from(modelCalls)
          .innerJoin(
            agentRuns,
            and(eq(agentRuns.tenantId, modelCalls.tenantId), eq(agentRuns.id, modelCalls.agentRunId)),
          )
          .where(and(eq(modelCalls.tenantId, tenantId), eq(modelCalls.runId, runId)))
          .orderBy(asc(modelCalls.id));
        return rows.map(({ call: row, ...whose }) => {
          const { tenantId: _, ...call } = row;
          return {
            ...call,
            ...whose,
            failure: parseStored(StoredFailure.nullable(), call.failure),
            at: call.at.toISOString(),
          };
        });
      }),

    /** What all calls of a run took so far, its failed attempts' included. */
    async usageOf(tenantId: string, runId: string): Promise<Usage> {
      return parseStored(StoredUsage, await callQuietly(pool, 'run_usage', { tenantId, body: { runId } }));
    },
  };
}
