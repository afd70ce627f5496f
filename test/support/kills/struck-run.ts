import type { StartedRun } from '../../../src/client/ensemble-client';
import type { RunRequestInput } from '../../../src/protocol/run';
import type { Stage } from './stage';
import { until } from './until';
import type { Strike, WorkerProcess } from './worker-process';

export interface StruckRun extends Pick<StartedRun, 'runId'> {
  readonly queue: string;
  readonly worker: WorkerProcess;
}

/** Starts a run on a worker that is struck while it works, and waits for that. */
export async function struckRun(
  stage: Stage,
  strike: Strike,
  plan: NonNullable<RunRequestInput['plan']>,
): Promise<StruckRun> {
  const queue = `struck-${strike.point}-${crypto.randomUUID()}`;
  const worker = stage.worker({ strike });
  await worker.serve(queue);
  const { runId } = await stage.start(queue, { task: 'Go on', plan });
  await until(() => stage.ledger.of(queue).some((note) => note.struck === strike.point));
  return { queue, runId, worker };
}
