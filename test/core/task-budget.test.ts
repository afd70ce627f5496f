import fc from 'fast-check';
import { TaskBudget } from '../../src/core/task-budget';
import type { Json } from '../../src/protocol/json';
import { DEFAULT_PROJECT_ID, type ExecuteAgentInput, LOCAL_TENANT_ID } from '../../src/protocol/run';

/** Agent, task, input, an output that came before, an event. */
const SHARED = 5;
const MOST = 1024 * 1024;

/** What the budget stands for: every input as JSON, every time. */
class Reference {
  private task = -1;
  private scheduled = 0;

  admits(task: number, input: object): boolean {
    if (task !== this.task) this.scheduled = 0;
    this.task = task;
    const chars = JSON.stringify(input).length;
    if (this.scheduled > 0 && this.scheduled + chars > MOST) return false;
    this.scheduled += chars;
    return true;
  }
}

const agent = { name: 'noop', version: '1.0.0', agentType: 'custom', capabilities: ['a'], timeoutMs: 1_000 };

function inputOf(parts: Partial<ExecuteAgentInput>): ExecuteAgentInput {
  return {
    tenantId: LOCAL_TENANT_ID,
    projectId: DEFAULT_PROJECT_ID,
    runId: LOCAL_TENANT_ID,
    address: '2.1'.padEnd(400, '.1'),
    agent,
    task: { inline: null },
    runInput: { inline: {} },
    stepInput: null,
    previous: [{ address: '1', agent: 'noop', output: { inline: 'x' } }],
    maxAttempts: Number.MAX_SAFE_INTEGER,
    attemptsBefore: 0,
    events: [{ key: 'a', type: 'step.decided', data: { why: '"' } }],
    ...parts,
  };
}

const text = fc.oneof(
  fc.string(),
  fc.string({ unit: fc.constantFrom('"', '\\', '\n', '\u0000', '\ud800', 'é') }),
);
/** A text that is worth something, by what it is made of and how often. */
const long = fc.record({
  unit: fc.constantFrom('x', '"', '\u0000', 'é'),
  times: fc.integer({ min: 0, max: 400_000 }),
});
const part = fc.oneof(
  fc.jsonValue(),
  text,
  long.map(({ unit, times }) => unit.repeat(times)),
  long.map(({ unit, times }) => ({ inline: unit.repeat(times) })),
  long.map(({ times }) => Array.from({ length: times % 200 }, (_, i) => ({ address: `1.${i}`, agent: 'a' }))),
);

test('admits just what fits, as if every input were weighed as JSON', () => {
  let refused = 0;
  fc.assert(
    fc.property(
      fc.array(part, { minLength: 1, maxLength: 3 }),
      fc.array(fc.record({ next: fc.boolean(), own: part, shares: fc.nat() }), { maxLength: 12 }),
      (shared, turns) => {
        const budget = new TaskBudget();
        const reference = new Reference();
        let task = 0;
        for (const { next, own, shares } of turns) {
          if (next && shares % 4 === 0) task += 1;
          const of = shared[shares % shared.length] ?? null;
          const input = inputOf({ task: { inline: of as Json }, stepInput: own as Json });
          const admitted = reference.admits(task, input);
          if (!admitted) refused += 1;
          expect(budget.admits(task, input)).toBe(admitted);
        }
      },
    ),
    { numRuns: 300 },
  );
  expect(refused).toBeGreaterThan(0);
});

test('what a hundred agents share is made JSON of once', () => {
  const stringify = jest.spyOn(JSON, 'stringify');
  try {
    const budget = new TaskBudget();
    const task = { inline: 'x'.repeat(5_000) };
    const input = inputOf({ task });
    for (let i = 0; i < 100; i += 1) expect(budget.admits(1, { ...input, address: `2.${i}` })).toBe(true);
    expect(stringify).toHaveBeenCalledTimes(SHARED);
  } finally {
    stringify.mockRestore();
  }
});
