import { z } from 'zod';

/** What a member in a process of its own is told: where it is, and who. */
export const Given = z.object({
  environment: z.record(z.string(), z.string()),
  runId: z.string(),
  name: z.string(),
});

/** What it says: that it waits for a message, and which came when, by the machine's clock. */
export const Said = z.union([
  z.object({ listening: z.literal(true) }),
  z.object({ content: z.unknown(), atNs: z.string() }),
]);
export type Said = z.infer<typeof Said>;
