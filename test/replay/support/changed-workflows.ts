import { sleep } from '@temporalio/workflow';
import { teamRun as asItIs } from '../../../src/workflows';

/** A change that live runs do not survive: a timer before everything that is in their histories. */
export async function teamRun(input: Parameters<typeof asItIs>[0]): ReturnType<typeof asItIs> {
  await sleep(1);
  return await asItIs(input);
}
