import { join } from 'node:path';
import { hrtime } from 'node:process';
import { z } from 'zod';
import { Part, servePart } from './apart';
import { attend, openPlace } from './hall';
import type { Environment } from '../src/config';

/** Who reads, and in which run. */
const Given = z.object({ runId: z.string(), name: z.string() });
/** A message, and when it came: the machine's clock counts the same in every process. */
const Read = z.object({ content: z.unknown(), atNs: z.string() });
type Read = z.infer<typeof Read>;

/** A member in a process of its own, with connections, outbox and listener of its own. */
export interface DistantReader extends AsyncDisposable {
  /** The next message: ask before it is sent. */
  read(): Promise<Read>;
}

export async function startDistantReader(
  environment: Environment,
  given: z.infer<typeof Given>,
): Promise<DistantReader> {
  const part = await Part.start(join(__dirname, 'distant-reader.js'), environment, given);
  return {
    read: async () => Read.parse(await part.ask('read')),
    [Symbol.asyncDispose]: () => part[Symbol.asyncDispose](),
  };
}

if (require.main === module)
  servePart(async (given) => {
    const bus = await attend(openPlace(process.env), Given.parse(given));
    return async (): Promise<Read> => {
      const message = await bus.receive({ timeoutMs: 20_000 });
      const read = { content: message?.content, atNs: String(hrtime.bigint()) };
      // Not between the reading and the answer: that is what is measured.
      void bus.commit();
      return read;
    };
  });
