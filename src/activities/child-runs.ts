import { uuidv7 } from 'uuidv7';
import type { Json, Value } from '../protocol/json';
import type { AcceptedRun, AcceptRunInput, ReadRunInput, RunReading } from '../protocol/run';
import { AppError } from '../protocol/failures';
import { joinedFacts } from '../core/facts';
import { factsWanted } from '../core/plan/facts-wanted';
import type { ActivityDeps } from '.';
import { storeWithFacts } from './stored-values';

/** Gives a child run its row, and the parent's story the line that says so, in one statement. Asked again it finds the same. */
export function createAcceptRun({ repositories, log }: ActivityDeps) {
  return async (input: AcceptRunInput): Promise<AcceptedRun> => {
    const { tenantId, projectId, parent, plan, agents, bounds, events } = input;
    const wanted = factsWanted(plan);
    const load = (value: Value) => repositories.values.load(tenantId, value);
    const store = async (value: Value, pointers: readonly string[]) =>
      // What is a reference already may have facts that only its content tells.
      storeWithFacts(repositories, { tenantId, json: await load(value), factsWanted: pointers });
    const task = await store(input.task, wanted.task);
    const given = await store(input.input, wanted.input);
    const { runId } = await repositories.runs.create(tenantId, {
      runId: uuidv7(),
      projectId,
      task: task.value,
      input: given.value,
      plan,
      agents,
      requestHash: `child of ${parent.runId} at ${parent.address}`,
      parent: { ...parent, bounds, events },
    });
    log.info(
      { runId, tenant: tenantId, parent: parent.runId, address: parent.address },
      'child run accepted',
    );
    return { runId, task: task.value, input: given.value, facts: joinedFacts(task.facts, given.facts) };
  };
}

/** How a child run stands. Its output comes inline where it is small, else as one blob and what is asked of it. */
export function createReadRun({ repositories }: ActivityDeps) {
  return async ({ tenantId, runId, inlineBytes, factsWanted: wanted }: ReadRunInput): Promise<RunReading> => {
    const row = await repositories.runs.find(tenantId, runId);
    if (row === undefined) throw new AppError('RUN_UNKNOWN', `There is no run ${runId}`);
    const { status, failure, usage, result } = row;
    const json: Json = result === null ? null : await repositories.values.load(tenantId, result);
    const stored = await storeWithFacts(repositories, { tenantId, json, factsWanted: wanted, inlineBytes });
    return { status, failure, usage, output: stored.value, facts: stored.facts };
  };
}
