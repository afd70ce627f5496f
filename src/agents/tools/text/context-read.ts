import { z } from 'zod';
import { LIMITS } from '../../../protocol/limits';
import { defineTool } from '../tool';

/** Reads what agents of this run share. */
export const contextRead = defineTool({
  name: 'context-read',
  description: 'Reads the value of one key of the context that the agents of this run share',
  arguments: z.strictObject({
    key: z.string().min(1).max(LIMITS.contextKeyChars).describe('The key to read'),
  }),
  async run({ key }, { context }) {
    const value = await context.context.get(key);
    return value === undefined ? `the context has no key ${key}` : value;
  },
});
