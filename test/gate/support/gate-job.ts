import { gatePlan } from '../../../src/cli/dependency-gate/plan';
import { gateRunInput } from '../../../src/cli/dependency-gate/upload';
import type { EnsembleClient } from '../../../src/client/ensemble-client';
import type { RunRequestInput } from '../../../src/protocol/run';
import { type Route, routePair } from './route-pairs';

/** The gate over a prepared pair, or over another one that goes its way. */
export async function jobOn(
  client: EnsembleClient,
  route: Route,
  pair: { readonly head: Uint8Array; readonly base: Uint8Array } = routePair(route),
): Promise<RunRequestInput> {
  const names = { headName: 'head.package-lock.json', baseName: 'base.package-lock.json' };
  const input = await gateRunInput(client, { ...pair, ...names, installed: null, about: route });
  return { task: 'May this change be merged?', plan: gatePlan(), input };
}
