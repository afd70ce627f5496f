import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const USUAL_FRAMES = 10;
/** Two of them are the SDK's own; what is left says where workflow code waits, and who called it. */
const FRAMES = 4;

/**
 * Makes a worker whose workflow code keeps short stacks. The SDK takes one of every promise, each frame looked up in the source
 * map: of a fan-out's time in the workflow thread, ten frames take about 40 % more than four (measured). The sandbox takes the
 * limit from the engine when it is made, and freezes it. A process that was started with `--stack-trace-limit` keeps what it asked for.
 */
export async function withShortStacks<T>(make: () => Promise<T>): Promise<T> {
  if (runInNewContext('Error.stackTraceLimit') !== USUAL_FRAMES) return make();
  setFlagsFromString(`--stack-trace-limit=${FRAMES}`);
  try {
    return await make();
  } finally {
    setFlagsFromString(`--stack-trace-limit=${USUAL_FRAMES}`);
  }
}
