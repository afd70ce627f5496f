import { and, asc, eq } from 'drizzle-orm';
import type { Pool } from 'pg';
import { Value } from '../../protocol/json';
import { parseStored } from '../answers';
import { AppendJournalAnswer } from '../answers-ledger';
import { journalEntries } from '../schema/ledger';
import { callQuietly, withTenant } from '../tenant-door';
import type { AttemptKey } from './agent-runs';

export interface NewJournalEntry extends AttemptKey {
  /** From 1, without a gap: the same number sent again changes nothing. */
  readonly seq: number;
  readonly entry: Value;
}

/** What agent runs write down for their later attempts. */
export function createJournal(pool: Pool) {
  return {
    /** `fenced`: the attempt lost the agent run; nothing was written. */
    async append(tenantId: string, entry: NewJournalEntry): Promise<'appended' | 'already' | 'fenced'> {
      const answer = await callQuietly(pool, 'append_journal', { tenantId, body: entry });
      return parseStored(AppendJournalAnswer, answer).outcome;
    },

    /** All of an agent run's entries, whichever attempt wrote them, in order. */
    read: (tenantId: string, { agentRunId }: Pick<AttemptKey, 'agentRunId'>) =>
      withTenant(pool, tenantId, async (tx): Promise<Value[]> => {
        const rows = await tx
          .select({ entry: journalEntries.entry })
          .from(journalEntries)
          .where(and(eq(journalEntries.tenantId, tenantId), eq(journalEntries.agentRunId, agentRunId)))
          .orderBy(asc(journalEntries.seq));
        return rows.map(({ entry }) => parseStored(Value, entry));
      }),
  };
}
