import type { Step } from '../../protocol/plan';
import { childAddress, ROOT_ADDRESS } from '../addresses';

/** The address of the agent whose result is its plan's, where there is one: nothing is beside it then, and no clock runs. */
export function lastAgentOf(step: Step, address = ROOT_ADDRESS): string | undefined {
  if (step.type === 'agent') return address;
  if (step.type !== 'sequence' || step.timeoutMs !== undefined) return undefined;
  const index = step.steps.length - 1;
  const last = step.steps[index];
  return last && lastAgentOf(last, childAddress(address, index));
}
