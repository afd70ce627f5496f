import { appendFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { BaseAgent, type AgentContext, type AgentTask } from '../../../agents/base-agent';

const Options = z.object({ seconds: z.number().positive(), ledger: z.string() });
const Output = z.object({ text: z.string() });

/** Works for a while and notes every beginning in a ledger outside of everything: what the demo counts. */
export class SteadyAgent extends BaseAgent<z.infer<typeof Output>> {
  static readonly manifest = {
    name: 'steady',
    version: '1.0.0',
    description: 'Works for some seconds, for the crash demo',
    input: Options,
    output: Output,
  };

  async execute(task: AgentTask, context: AgentContext): Promise<z.infer<typeof Output>> {
    const { seconds, ledger } = Options.parse(task.options);
    appendFileSync(ledger, `${context.agentRunId} attempt ${context.attempt}\n`);
    await sleep(seconds * 1000, undefined, { signal: context.signal });
    return { text: `worked for ${seconds} s, in attempt ${context.attempt}` };
  }
}
