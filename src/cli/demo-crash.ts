import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createClient } from '../client/connect';
import type { EnsembleClient } from '../client/ensemble-client';
import { readEnvironment } from '../config';
import { AppError } from '../protocol/failures';
import type { Step } from '../protocol/plan';
import { Cleanup } from '../runtime/cleanup';
import { showProgress } from './progress';
import { reportFailure } from './report-failure';
import { bringUp, type Stack } from './stack';
import { stopSignal } from './stop-signal';

const CHECKOUT = resolve(__dirname, '..', '..', '..');
const AGENTS = join(__dirname, 'demo-crash', 'agents');
const VICTIM = '2';

/** `npm run demo:crash`: starts a run of three agents, kills the worker under the second, and shows the run finish. */
export async function main(): Promise<number> {
  try {
    return await demo((line) => void process.stdout.write(`${line}\n`));
  } catch (error) {
    return reportFailure(error).exit;
  }
}

async function demo(say: (line: string) => void): Promise<number> {
  await using cleanup = new Cleanup();
  // Servers of its own: whatever else runs in this checkout must not be disturbed.
  const folder = mkdtempSync(join(tmpdir(), 'ensemble-crash-'));
  // PostgreSQL runs as another user where this process is root.
  chmodSync(folder, 0o755);
  cleanup.defer(() => rmSync(folder, { recursive: true, force: true }));
  const environment = {
    ...readEnvironment(CHECKOUT),
    ENSEMBLE_DATA_DIR: join(folder, 'data'),
    ENSEMBLE_AGENTS_PATH: AGENTS,
  };
  const stack = await bringUp({ environment, checkout: CHECKOUT, announce: say, signal: stopSignal() });
  cleanup.defer(() => stack.stop());
  const client = cleanup.use(await createClient({ environment: stack.environment }));
  const ledger = join(folder, 'ledger');
  const plan = planOf(ledger);
  const { runId, workflowId } = await client.start({ task: 'Survive', plan });
  if (stack.uiUrl !== null) say(`\nWeb UI: ${stack.uiUrl}/namespaces/default/workflows/${workflowId}\n`);
  await Promise.all([
    killUnder({ client, runId, stack, say }),
    showProgress(client.events(runId), plan, process.stdout),
  ]);
  const result = await client.result(runId);
  const begun = readFileSync(ledger, 'utf8').trim().split('\n').length;
  say(
    `\nThe run is ${result.status}. Its three agents began ${begun} times: the second one twice, nothing else was repeated.`,
  );
  return result.status === 'completed' && begun === 4 ? 0 : 3;
}

function planOf(ledger: string): Step {
  const steps: Step[] = [1, 3, 1].map((seconds) => ({
    type: 'agent',
    agent: 'steady',
    input: { seconds, ledger },
  }));
  return { type: 'sequence', steps };
}

interface Scene {
  readonly client: EnsembleClient;
  readonly runId: string;
  readonly stack: Stack;
  readonly say: (line: string) => void;
}

async function killUnder({ client, runId, stack, say }: Scene): Promise<void> {
  for await (const { type, address } of client.events(runId)) {
    if (type !== 'agent.started' || address !== VICTIM) continue;
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const pid = stack.workerPid();
    if (pid === undefined) throw new AppError('INTERNAL', 'The worker belongs to another process');
    say(
      `\n  kill -9 ${pid}    the worker is gone in the middle of step ${VICTIM}; Temporal notices by its missing heartbeats (15 s)\n`,
    );
    process.kill(pid, 'SIGKILL');
    return;
  }
}
