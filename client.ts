import { createClient } from './src/client/connect';

export { createClient, type ClientOptions } from './src/client/connect';
export type {
  DefinedAgent,
  DefinedAgents,
  EnsembleClient,
  EventOptions,
  ModelCallInfo,
  RunSummary,
  SavedVersion,
  StartedRun,
  StoredPlanInfo,
  StoredPlans,
  TokenOptions,
} from './src/client/ensemble-client';
export type { AgentDefinition, AgentDefinitionInput } from './src/protocol/agent-definition';
export { AppError, FAILURES, type Failure, type FailureCode, type Problem } from './src/protocol/failures';
export type { RunEvent } from './src/protocol/event';
export type { Json } from './src/protocol/json';
export type { PlanShorthand, Step } from './src/protocol/plan';
export type { RunRequestInput as RunRequest, RunResult, RunStatus } from './src/protocol/run';
export type { TokenChunk } from './src/protocol/token';
export type { ToolCallInfo, ToolCallResolution } from './src/protocol/tool-call';

/** The smallest caller: `node lib/client.js "Summarise: ..."` runs one agent and prints what it says. */
async function main(task: string): Promise<void> {
  await using ensemble = await createClient();
  const result = await ensemble.run({ task, plan: { strategy: 'sequential', agents: ['react'] } });
  process.stdout.write(`${JSON.stringify(result, undefined, 2)}\n`);
  process.exitCode = result.status === 'completed' ? 0 : 1;
}

if (require.main === module)
  main(process.argv.slice(2).join(' ')).catch((error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  });
