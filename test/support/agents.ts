import { z } from 'zod';
import { BaseAgent, type AgentClass, type AgentContext, type AgentTask } from '../../src/agents/base-agent';
import type { LoadedAgent } from '../../src/agents/loader';
import { AgentManifest } from '../../src/protocol/agent';

type Execute = (task: AgentTask, context: AgentContext) => unknown;

/** An agent class made of one function. */
export function anAgent(name: string, execute: Execute, manifest: Partial<AgentManifest> = {}): AgentClass {
  return class extends BaseAgent {
    static readonly manifest = {
      name,
      version: '1.0.0',
      description: `Test agent ${name}`,
      output: z.unknown(),
      ...manifest,
    };

    async execute(task: AgentTask, context: AgentContext): Promise<unknown> {
      return execute(task, context);
    }
  };
}

/** Agents as the loader would hand them to a worker. */
export function agentsOf(classes: readonly AgentClass[]): ReadonlyMap<string, LoadedAgent> {
  return new Map(
    classes.map((agentClass) => {
      const manifest = AgentManifest.parse(agentClass.manifest);
      return [manifest.name, { manifest, agentClass, file: 'test' }];
    }),
  );
}
