import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from '../client/connect';
import { readEnvironment } from '../config';
import { expandPlan } from '../core/plan';
import { FAILURES } from '../protocol/failures';
import type { RunResult } from '../protocol/run';
import { type Job, jobOf } from './job';
import { HELP_SHOWN, parseStartOptions, type StartOptions } from './options';
import { showProgress } from './progress';
import { reportFailure } from './report-failure';
import { writeResultFile } from './result-file';
import { bringUp, type Stack } from './stack';
import { aborted, stopSignal } from './stop-signal';
import { usageLine } from './usage-line';

const CHECKOUT = resolve(__dirname, '..', '..', '..');
const INTERRUPTED = 130;
/** How long an interrupted start may take to come to a point where it can be undone. */
const UNDO_WITHIN_MS = 10_000;

/** `npm start`: everything up, one job run and shown, then up until Ctrl-C. Returns the exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  try {
    const options = parseStartOptions(argv);
    return options === HELP_SHOWN ? 0 : await start(options);
  } catch (error) {
    const { code, message, exit } = reportFailure(error);
    if (argv.includes('--json'))
      printJson({ runId: null, status: 'failed', failure: { code, message }, result: null });
    return exit;
  }
}

async function start(options: StartOptions): Promise<number> {
  const stop = stopSignal();
  const say = (line: string): void =>
    void (options.json ? process.stderr : process.stdout).write(`${line}\n`);
  const job = await jobOf(options, process.env['INIT_CWD'] ?? process.cwd());
  const starting = bringUp({
    environment: readEnvironment(CHECKOUT),
    checkout: CHECKOUT,
    announce: say,
    signal: stop,
  });
  const stack = await orAborted(starting, stop);
  if (stack === undefined) return undo(starting, say);
  try {
    return await runAndStay({ stack, options, job, stop, say });
  } finally {
    if (stack.worker !== null) say('Stopping the worker and the servers ...');
    await stack.stop();
  }
}

interface Session {
  readonly stack: Stack;
  readonly options: StartOptions;
  readonly job: Job;
  readonly stop: AbortSignal;
  readonly say: (line: string) => void;
}

async function runAndStay(session: Session): Promise<number> {
  const { stack, options, stop, say } = session;
  const exit = await orAborted(runJob(session), stop);
  if (exit === undefined) {
    say('Interrupted. The run is durable: it goes on at the next start.');
    return INTERRUPTED;
  }
  if (options.once || stack.worker === null) return exit;
  say(
    '\nUp until Ctrl-C; run more from another terminal: npm start -- --task "..." --agents react,evaluator',
  );
  await aborted(stop);
  return exit;
}

async function runJob({ stack, options, job, say }: Session): Promise<number> {
  await using client = await createClient({ environment: stack.environment });
  say(`\nRunning ${job.about}`);
  const request = await job.request(client);
  const { runId, workflowId } = await client.start(request);
  if (stack.uiUrl !== null) say(`Web UI: ${stack.uiUrl}/namespaces/default/workflows/${workflowId}\n`);
  const screen = options.json ? process.stderr : process.stdout;
  await showProgress(client.events(runId), expandPlan(request.plan), screen);
  const result = await client.result(runId);
  const file = keep(stack, job, result);
  say(`\n  total        ${usageLine(result.usage)}`);
  report(result, job, say);
  say(`\nResult file: ${file}`);
  if (stack.uiUrl !== null) say(`Web UI:      ${stack.uiUrl}/namespaces/default/workflows/${workflowId}`);
  if (options.json) printJson(documentOf(result));
  return result.failure === null ? 0 : FAILURES[result.failure.code].exit;
}

function keep({ dataDir }: Stack, job: Job, result: RunResult): string {
  const rendered =
    result.status === 'completed'
      ? job.render(result)
      : { text: JSON.stringify(result, undefined, 2), extension: 'json' };
  return writeResultFile({ dataDir, runId: result.runId, ...rendered });
}

function report(result: RunResult, job: Job, say: (line: string) => void): void {
  for (const { agent, address, code, message, instead } of result.degraded)
    say(`  degraded     ${agent} (${address}) ${instead}: ${code}: ${message}`);
  if (result.failure === null) say(`\n${job.render(result).text}`);
  else
    process.stderr.write(
      `ensemble: the run ${result.status}: ${result.failure.code}: ${result.failure.message}\n`,
    );
}

/** The work's result, or undefined where the signal came first. */
function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  // Whoever is interrupted no longer waits for the work, so its failure must not surface later.
  work.catch(() => undefined);
  return Promise.race([work, aborted(signal).then(() => undefined)]);
}

async function undo(starting: Promise<Stack>, say: (line: string) => void): Promise<number> {
  say('Interrupted while starting ...');
  const stack = await Promise.race([
    starting.catch(() => undefined),
    sleep(UNDO_WITHIN_MS, undefined, { ref: false }),
  ]);
  await stack?.stop();
  return INTERRUPTED;
}

/** What `--json` prints: the run, its output under `result`. */
function documentOf({ runId, status, output, ...rest }: RunResult): object {
  return { runId, status, result: output, ...rest };
}

function printJson(document: object): void {
  process.stdout.write(`${JSON.stringify(document)}\n`);
}
