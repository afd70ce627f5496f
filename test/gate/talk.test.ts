import { Footprint } from '../../src/agents/dependency-gate/footprint';
import { Graph } from '../../src/agents/dependency-gate/graph';
import { Licence } from '../../src/agents/dependency-gate/licence';
import { Policy } from '../../src/agents/dependency-gate/policy';
import { PolicyReport } from '../../src/agents/dependency-gate/policy-schema';
import { Provenance } from '../../src/agents/dependency-gate/provenance';
import { GateReport } from '../../src/agents/dependency-gate/report-writer';
import type { AgentClass, AgentContext, AgentTask } from '../../src/agents/base-agent';
import { agentState, memoryContext } from '../../src/agents/testing/memory-context';
import { offlineProvider } from '../../src/llm/providers/offline';
import type { Json } from '../../src/protocol/json';
import type { Step } from '../../src/protocol/plan';
import type { RunResult } from '../../src/protocol/run';
import { anAgent } from '../support/agents';
import { startTeam, type Team } from '../support/team';
import { jobOn } from './support/gate-job';
import { findAll, GATE_AGENTS, GateBench, runGate } from './support/gate-run';
import { plantedChange } from './support/lock-generator';
import { type Route, routePair, ROUTES } from './support/route-pairs';

const NAMES = Object.keys(ROUTES) as Route[];
const ASKING = { paths: 'dependency-path', verdicts: 'verdicts' };
const model = offlineProvider();

interface Line {
  readonly type: string;
  readonly from: string;
  readonly topic: string | null;
  readonly correlation: string | null;
  readonly content: Json;
}

async function logOf({ admin }: Team, { runId }: RunResult): Promise<readonly Line[]> {
  const { rows } = await admin.query<Line>(
    `select type, from_agent as from, topic, correlation_id as correlation, content
       from ensemble.agent_messages where run_id = $1 order by seq`,
    [runId],
  );
  return rows;
}

/** The agent, whose bus carries nothing. */
function muted(agent: AgentClass): AgentClass {
  return class extends agent {
    override async execute(task: AgentTask, context: AgentContext): Promise<unknown> {
      return await new agent().execute(task, { ...context, bus: memoryContext({ model }).context.bus });
    }
  };
}

/** The plan with another step in place of this agent's. */
function replacing(plan: unknown, agent: string, by: (step: Step) => Step): Step {
  return JSON.parse(JSON.stringify(plan), (_, value: Step) =>
    value?.type === 'agent' && value.agent === agent ? by(value) : value,
  ) as Step;
}

const idOf = (content: Json): string => (content as { readonly id: string }).id;

test('of thirty projects every high finding is published, asked about and answered once, and no path is contradicted', async () => {
  for (let seed = 0; seed < 30; seed += 1) {
    const { head, base } = plantedChange(seed);
    const { findings, messages, policy, graph } = await runGate({ head, base });
    const high = findings.filter(({ severity }) => severity === 'high').map(({ id }) => id);
    const of = (type: string) => messages.filter((message) => message.type === type);
    expect(of('event').map(({ content = null }) => idOf(content))).toEqual(findings.map(({ id }) => id));
    for (const type of ['request', 'response'])
      expect([
        seed,
        ...of(type)
          .map(({ correlationId }) => String(correlationId))
          .toSorted(),
      ]).toEqual([seed, ...high.toSorted()]);
    expect(graph).toEqual({ answered: high.length });
    const objections = policy.decisions.filter(({ rule }) => ['unheard', 'path-contradicted'].includes(rule));
    expect([seed, objections]).toEqual([seed, []]);
  }
}, 120_000);

describe('the policy', () => {
  async function asked(mailbox: (id: string) => readonly object[], state = agentState()) {
    const bench = new GateBench(routePair('waive'));
    const [finding] = (await findAll(bench)).filter(({ severity }) => severity === 'high');
    if (finding === undefined) throw new Error('the pair has no high finding');
    await bench.verify();
    const waiting = mailbox(finding.id).map((message) => ({ from: 'other', content: null, ...message }));
    const { context, record } = memoryContext({ model, state, bus: { mailbox: waiting } });
    return { finding, record, report: new Policy().execute(bench.task(ASKING), context) };
  }
  const heard = (id: string) => ({ id: 'heard', type: 'event', topic: 'finding.any.high', content: { id } });
  const replied = (correlationId: string, content: Json) => ({ type: 'response', correlationId, content });

  test('blocks what was not published, and what the graph says otherwise of', async () => {
    const unheard = await asked(() => []);
    expect((await unheard.report).decisions[0]).toMatchObject({ verdict: 'block', rule: 'unheard' });
    expect(unheard.record.sent.slice(1)).toEqual([
      { type: 'inform', capability: 'dependency-path', content: { of: 0 } },
    ]);
    const other = [{ path: ['', 'node_modules/other'], dev: true }, null, 'soon'];
    for (const reply of other) {
      const { report } = await asked((id) => [heard(id), replied(id, reply)]);
      expect((await report).decisions[0]).toMatchObject({ verdict: 'block', rule: 'path-contradicted' });
    }
  });

  test('whose attempt ended before a reply came asks nobody twice, and knows what it had heard', async () => {
    const state = agentState();
    const first = await asked((id) => [heard(id)], state);
    await expect(first.report).rejects.toMatchObject({ code: 'MESSAGE_TIMEOUT' });
    const sent = [...first.record.sent];
    const { path, dev } = first.finding;
    const second = await asked((id) => [heard(id), replied(id, { path, dev })], state);
    const { decisions } = await second.report;
    const decision = decisions.find(({ finding }) => finding.id === first.finding.id);
    expect(decision).toMatchObject({ verdict: 'waive', rule: 'install-script-development' });
    expect(second.record.sent).toEqual(sent);
  });
});

describe('on real servers', () => {
  let team: Team;
  beforeAll(async () => {
    team = await startTeam([...Object.values(GATE_AGENTS), sweeper], model);
  });
  afterAll(() => team[Symbol.asyncDispose]());

  /** Forgets what the agents share. */
  const sweeper = anAgent('sweeper', async (_, { context }) => {
    context.delete('verdicts');
    return null;
  });

  test.each(NAMES)(
    'in the pair "%s" each high finding has one request and one reply, and its verdict is shared',
    async (route) => {
      const result = await team.client.run(await jobOn(team.client, route));
      expect(result.status).toBe('completed');
      const address = result.agents.find(({ agent }) => agent === 'policy')?.address ?? '';
      const { decisions } = PolicyReport.parse(await team.client.output(result.runId, address));
      const high = decisions.flatMap(({ finding }) => (finding.severity === 'high' ? [finding.id] : []));
      expect(high.length > 0).toBe(route !== 'write');
      const log = await logOf(team, result);
      const published = log.filter(({ topic }) => topic?.endsWith('.high') === true);
      expect(published.map(({ content }) => idOf(content)).toSorted()).toEqual(high.toSorted());
      const of = (type: string) => log.filter((line) => line.type === type);
      for (const [type, from] of [
        ['request', 'policy'],
        ['response', 'graph'],
      ] as const) {
        expect(
          of(type)
            .map(({ correlation }) => String(correlation))
            .toSorted(),
        ).toEqual(high.toSorted());
        expect(of(type).every((line) => line.from === from)).toBe(true);
      }
      const verdicts = Object.fromEntries(decisions.map(({ finding, verdict }) => [finding.id, verdict]));
      const history = await team.client.contextHistory(result.runId, 'verdicts');
      expect(history).toMatchObject([{ op: 'compare-and-set', author: 'policy', value: verdicts }]);
      expect(await team.client.messages.deadLetters(result.runId)).toEqual([]);
    },
    60_000,
  );

  test('no report is written where the shared verdicts are gone', async () => {
    const job = await jobOn(team.client, 'waive');
    const plan = replacing(job.plan, 'report-writer', (step) => ({
      type: 'sequence',
      steps: [{ type: 'agent', agent: 'sweeper' }, step],
    }));
    const result = await team.client.run({ ...job, plan });
    expect(result).toMatchObject({
      status: 'failed',
      failure: { code: 'AGENT_INPUT_INVALID', message: expect.stringMatching(/no verdicts/) },
    });
  }, 60_000);

  test('findings that are not published block', async () => {
    const agents = { ...GATE_AGENTS, ...mutedOf({ licence: Licence, provenance: Provenance }) };
    await using quiet = await startTeam(Object.values(agents), model);
    const result = await quiet.client.run(await jobOn(quiet.client, 'waive'));
    expect(GateReport.parse(result.output)).toMatchObject({
      verdict: 'block',
      markdown: expect.stringContaining('unheard'),
    });
  }, 60_000);

  test('where the bus carries nothing at all, the job fails', async () => {
    const all = {
      licence: Licence,
      provenance: Provenance,
      footprint: Footprint,
      policy: Policy,
      graph: Graph,
    };
    const agents = { ...GATE_AGENTS, ...mutedOf(all) };
    await using quiet = await startTeam(Object.values(agents), model);
    const job = await jobOn(quiet.client, 'waive');
    const plan = replacing(job.plan, 'graph', (step) => ({ ...step, retry: { maxAttempts: 1 } }) as Step);
    const result = await quiet.client.run({ ...job, plan });
    expect(result).toMatchObject({ status: 'failed', failure: { code: 'MESSAGE_TIMEOUT' } });
  }, 60_000);
});

function mutedOf(agents: Readonly<Record<string, AgentClass>>): Readonly<Record<string, AgentClass>> {
  return Object.fromEntries(Object.entries(agents).map(([name, agent]) => [name, muted(agent)]));
}
