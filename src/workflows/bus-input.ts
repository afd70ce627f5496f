import type { BusKey } from '../activities/route-messages';
import { fail } from './failure';
import { isObject, notWanted } from './check';
import { uuid } from './check-input';

/** What a bus is started with. */
export type BusInput = BusKey;

/** Ends the workflow with INPUT_INVALID unless it was started with a run's key. Anybody may start it with anything. */
export function checkBusInput(input: unknown): void {
  if (!isObject(input)) fail('INPUT_INVALID', notWanted(input, 'input', 'must be an object'));
  const problem = uuid(input['tenantId'], 'tenantId') ?? uuid(input['runId'], 'runId');
  if (problem !== undefined) fail('INPUT_INVALID', problem);
}
