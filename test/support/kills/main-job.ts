import { examplePair } from '../../../src/cli/dependency-gate/example';
import { gatePlan } from '../../../src/cli/dependency-gate/plan';
import { gateRunInput } from '../../../src/cli/dependency-gate/upload';
import type { EnsembleClient } from '../../../src/client/ensemble-client';
import type { Json } from '../../../src/protocol/json';
import type { RunRequestInput, RunResult } from '../../../src/protocol/run';

/** The product's main job: the dependency gate over the pair of lock files that comes with it. */
export async function mainJob(client: EnsembleClient): Promise<RunRequestInput> {
  const files = {
    ...(await examplePair('the tests judge it')),
    headName: 'head.package-lock.json',
    baseName: 'base.package-lock.json',
    installed: null,
    about: 'the example pair',
  };
  return {
    task: `May this change of ${files.headName} be merged?`,
    plan: gatePlan(),
    input: await gateRunInput(client, files),
  };
}

/** Everything a run came to that must not depend on what happened to its workers. */
export async function fruitOf(client: EnsembleClient, { runId, ...result }: RunResult): Promise<Json> {
  const agents = result.agents.toSorted((one, other) => (one.address < other.address ? -1 : 1));
  const outputs = await Promise.all(
    agents.map(async ({ address }) => [address, (await client.output(runId, address)) ?? null] as const),
  );
  return {
    status: result.status,
    output: result.output,
    degraded: result.degraded.length,
    agents: agents.map(({ address, agent, status }) => ({ address, agent, status })),
    outputs: Object.fromEntries(outputs),
  };
}
