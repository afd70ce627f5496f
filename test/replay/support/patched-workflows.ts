import { patched, sleep } from '@temporalio/workflow';
import { teamRun as asItIs } from '../../../src/workflows';

export { messageBus } from '../../../src/workflows';

/** The same change as live runs survive it: those that began before it never see it. */
export async function teamRun(input: Parameters<typeof asItIs>[0]): ReturnType<typeof asItIs> {
  if (patched('pause-first')) await sleep(1);
  return await asItIs(input);
}
