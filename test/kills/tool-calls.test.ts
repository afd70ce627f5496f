import type { JsonObject } from '../../src/protocol/json';
import { setStage, type Stage } from '../support/kills/stage';
import type { WorkerProcess } from '../support/kills/worker-process';

let stage: Stage;
let survivor: WorkerProcess;
beforeAll(async () => {
  stage = await setStage();
  survivor = stage.worker();
});
afterAll(() => stage[Symbol.asyncDispose]());

interface Expected {
  /** How often the tool had its effect, in all processes together. */
  readonly effects: number;
  readonly output?: { readonly receipt: string };
  readonly code?: string;
}

const printed = { receipt: 'printed' };

/** `outcome.before`: the tool has had its effect, and nobody knows. `tool.after`: the ledger knows, and the agent does not. */
test.concurrent.each<[string, JsonObject, Expected]>([
  ['tool.after', { sideEffects: 'dangerous' }, { effects: 1, output: printed }],
  ['outcome.before', { sideEffects: 'idempotent' }, { effects: 2, output: printed }],
  [
    'outcome.before',
    { sideEffects: 'dangerous', reconciles: true },
    { effects: 1, output: { receipt: 'found' } },
  ],
  ['outcome.before', { sideEffects: 'dangerous' }, { effects: 1, code: 'TOOL_OUTCOME_UNKNOWN' }],
])(
  'a worker killed at %s of a tool call %j',
  async (point, input, { effects, output, code }) => {
    const queue = `${point}-${crypto.randomUUID()}`;
    const victim = stage.worker({ strike: { point, nth: 1, signal: 'SIGKILL' } });
    await victim.serve(queue);
    const { runId } = await stage.start(queue, {
      task: 'Pay',
      plan: { type: 'agent', agent: 'paying', input },
    });
    expect(await victim.ended()).toMatchObject({ signal: 'SIGKILL' });
    await survivor.serve(queue);
    const result = await stage.client.result(runId);
    expect(result.failure?.code).toBe(code);
    expect(result.output).toEqual(output ?? null);
    expect(result.agents).toMatchObject([{ agent: 'paying', attempts: 2 }]);
    const keys = stage.ledger.of(queue).flatMap(({ effect }) => effect ?? []);
    expect(keys).toHaveLength(effects);
    const [call] = await stage.client.toolCalls(runId);
    expect(call).toMatchObject({ status: code === undefined ? 'done' : 'unknown', tool: 'till.pay' });
    expect(new Set(keys)).toEqual(new Set([call?.key]));
  },
  120_000,
);
