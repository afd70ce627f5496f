import type { EnsembleClient } from '../client/ensemble-client';
import type { Json } from '../protocol/json';
import type { PlanShorthand, Step } from '../protocol/plan';
import type { RunRequestInput, RunResult } from '../protocol/run';
import { collectGateInput, type GateFiles } from './dependency-gate/collect';
import { gatePlan } from './dependency-gate/plan';
import { gateRunInput } from './dependency-gate/upload';
import type { StartOptions } from './options';

/** A request whose plan is written out. */
export type JobRequest = RunRequestInput & { readonly plan: PlanShorthand | Step };

/** A job read from the command line, with everything of it that can fail early already done. */
export interface Job {
  /** One line that says what runs and why. */
  readonly about: string;
  request(client: EnsembleClient): Promise<JobRequest>;
  /** The result as people read it, and what kind of file it makes. */
  render(result: RunResult): { readonly text: string; readonly extension: 'md' | 'json' };
}

/** The job that the options ask for: a text task, or the dependency gate. Files are read here, before any server starts. */
export async function jobOf(options: StartOptions, cwd: string): Promise<Job> {
  if (options.task !== undefined) return textJob(options.task, options);
  const files = await collectGateInput({
    cwd,
    ...(options.input === undefined ? {} : { input: options.input }),
    ...(options.base === undefined ? {} : { base: options.base }),
  });
  return gateJob(files);
}

function textJob(task: string, { agents = ['react'], strategy = 'sequential' }: StartOptions): Job {
  return {
    about: `task for ${agents.join(', ')} (${strategy})`,
    request: () => Promise.resolve({ task, plan: { strategy, agents: [...agents] } }),
    render: ({ output }) => {
      const text = textOf(output);
      return text === undefined
        ? { text: JSON.stringify(output, undefined, 2), extension: 'json' }
        : { text, extension: 'md' };
    },
  };
}

function gateJob(files: GateFiles): Job {
  return {
    about: `dependency gate: ${files.about}`,
    request: async (client) => ({
      task: `May this change of ${files.headName} be merged?`,
      plan: gatePlan(),
      input: await gateRunInput(client, files),
    }),
    render: ({ output }) => ({
      text: textOf(output) ?? JSON.stringify(output, undefined, 2),
      extension: 'md',
    }),
  };
}

/** Agents that answer in prose have it under `text` or `markdown`. */
function textOf(output: Json): string | undefined {
  if (typeof output === 'string') return output;
  if (output === null || typeof output !== 'object' || Array.isArray(output)) return undefined;
  const { text, markdown } = output as { readonly text?: Json; readonly markdown?: Json };
  if (typeof markdown === 'string') return markdown;
  return typeof text === 'string' ? text : undefined;
}
