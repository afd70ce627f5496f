import { AsyncLocalStorage } from 'node:async_hooks';

/** Whose code runs: that of a file which is being loaded, or of an execution. */
export type AgentScope =
  | { readonly file: string }
  | { readonly agent: string; readonly runId: string; readonly tenant: string; readonly attempt: number };

const scopes = new AsyncLocalStorage<AgentScope>();

/** Marks everything that the work does, and sets going, as an agent's. */
export function inAgentScope<T>(scope: AgentScope, work: () => T): T {
  return scopes.run(scope, work);
}

/** The agent whose code runs, or whose code set going what runs; undefined outside of any. */
export function agentScope(): AgentScope | undefined {
  return scopes.getStore();
}
