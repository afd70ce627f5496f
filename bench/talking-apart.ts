import { join } from 'node:path';
import { Part, servePart } from './apart';
import { openPlace } from './hall';
import type { Environment } from '../src/config';
import { Cast, startTalking, type Talking } from './talking';

/** The same in a process of its own, with connections, outbox and listener of its own. */
export async function startTalkingApart(environment: Environment, cast: Cast): Promise<Talking> {
  const part = await Part.start(join(__dirname, 'talking-apart.js'), environment, cast);
  return {
    silence: async () => void (await part.ask('silence')),
    end: async () => {
      await part.ask('end');
      await part[Symbol.asyncDispose]();
    },
  };
}

if (require.main === module)
  servePart(async (given) => {
    const talking = await startTalking(openPlace(process.env), Cast.parse(given));
    return (question) => (question === 'silence' ? talking.silence() : talking.end());
  });
