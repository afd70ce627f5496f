import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { z } from 'zod';

const Entry = z.object({
  pid: z.number(),
  queue: z.string().optional(),
  workflow: z.string().optional(),
  /** Its id, which is the address in the plan and the agent's name. */
  activity: z.string().optional(),
  point: z.string().optional(),
  struck: z.string().optional(),
  /** Of a workflow task: whether the workflow was in the worker's cache. */
  cached: z.boolean().optional(),
  /** The key of an effect on the world outside. */
  effect: z.string().optional(),
  body: z.enum(['begun', 'ended']).optional(),
});
export type Entry = z.infer<typeof Entry>;

/** What workers have done, by their own notes in a file that survives them. */
export class Ledger {
  constructor(readonly file: string) {
    writeFileSync(file, '');
  }

  of(queue: string): readonly Entry[] {
    return this.all().filter((entry) => entry.queue === queue);
  }

  /** Says something to the workers that read along. */
  note(entry: Entry): void {
    appendFileSync(this.file, `${JSON.stringify(entry)}\n`);
  }

  /** How often each activity's agent began, in every process together. */
  begun(queue: string, workflowId?: string): Readonly<Record<string, number>> {
    const counts: Record<string, number> = {};
    for (const { activity, body, workflow } of this.of(queue))
      if (body === 'begun' && activity !== undefined && workflow === (workflowId ?? workflow))
        counts[activity] = (counts[activity] ?? 0) + 1;
    return counts;
  }

  private all(): readonly Entry[] {
    const lines = readFileSync(this.file, 'utf8').split('\n').filter(Boolean);
    return lines.map((line) => Entry.parse(JSON.parse(line)));
  }
}
