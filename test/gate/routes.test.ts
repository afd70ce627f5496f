import { z } from 'zod';
import { PolicyReport } from '../../src/agents/dependency-gate/policy-schema';
import { RemedyReport } from '../../src/agents/dependency-gate/remedy-schema';
import { GateReport } from '../../src/agents/dependency-gate/report-writer';
import type { AgentClass } from '../../src/agents/base-agent';
import { AppError } from '../../src/protocol/failures';
import { offlineProvider } from '../../src/llm/providers/offline';
import type { Json } from '../../src/protocol/json';
import { decisionsOf, storyOf } from '../run/support/story';
import { anAgent } from '../support/agents';
import { startTeam, type Team } from '../support/team';
import { jobOn } from './support/gate-job';
import { GATE_AGENTS, runGate } from './support/gate-run';
import { plantedChange } from './support/lock-generator';
import { agentsOn, type Route, routePair, ROUTES } from './support/route-pairs';

const NAMES = Object.keys(ROUTES) as Route[];
const SEEDS = Array.from({ length: 30 }, (_, seed) => seed);

test.each(NAMES)('the prepared pair "%s" takes the way that is predicted for it', async (route) => {
  const { agents, policy, report } = await runGate(routePair(route));
  expect(agents).toEqual(agentsOn(ROUTES[route].way));
  expect([policy.verdict, report.verdict]).toEqual([ROUTES[route].verdict, ROUTES[route].verdict]);
});

test('the planted truth of thirty projects predicts their ways, and every way is among them', async () => {
  const ways = new Set<string>();
  for (const seed of SEEDS) {
    const { head, base, expected } = plantedChange(seed);
    const high = expected.filter(({ severity }) => severity === 'high');
    const way = [
      ...(high.some(({ dev }) => !dev) ? ['remedy', 'evaluator'] : []),
      ...(high.some(({ dev }) => dev) ? ['waiver', 'evaluator'] : []),
    ];
    const { agents, verification, policy } = await runGate({ head, base });
    expect([seed, ...agents]).toEqual([seed, ...agentsOn(way)]);
    expect(verification.tally).toMatchObject({
      high: high.length,
      highProduction: high.filter(({ dev }) => !dev).length,
      highDevelopment: high.filter(({ dev }) => dev).length,
    });
    // A way decides nothing by itself: what blocks does so whatever is proposed for it.
    const plain = await runGate({ head, base, policy: { judgedBy: 'nobody' } });
    expect(policy.verdict).toBe(plain.policy.verdict);
    ways.add(way.filter((name) => name !== 'evaluator').join('+'));
  }
  expect([...ways].toSorted()).toEqual(['', 'remedy', 'remedy+waiver', 'waiver']);
}, 120_000);

describe('on real servers', () => {
  let team: Team;
  const teams: Team[] = [];
  beforeAll(async () => {
    team = await startTeam(Object.values(GATE_AGENTS), offlineProvider());
    teams.push(team);
  });
  afterAll(async () => {
    for (const one of teams) await one[Symbol.asyncDispose]();
  });

  async function teamWith(stranger: AgentClass): Promise<Team> {
    const others = Object.values(GATE_AGENTS).filter(
      ({ manifest }) => manifest.name !== stranger.manifest.name,
    );
    const made = await startTeam([...others, stranger], offlineProvider());
    teams.push(made);
    return made;
  }

  test.each(NAMES)(
    'the pair "%s" takes its way, and the story says why',
    async (route) => {
      const { client } = team;
      const result = await client.run(await jobOn(client, route));
      expect(result).toMatchObject({ status: 'completed', degraded: [] });
      expect(result.agents.map(({ agent }) => agent).toSorted()).toEqual(
        agentsOn(ROUTES[route].way).toSorted(),
      );
      expect(GateReport.parse(result.output).verdict).toBe(ROUTES[route].verdict);
      const story = await storyOf(client, result.runId);
      const decided = story.filter(({ type, data }) => type === 'step.decided' && data['kind'] === 'route');
      const rule = { write: 2, remedy: 3, waive: 4 }[route];
      expect(decided.map(({ address, data }) => ({ address, ...data }))).toEqual([
        ...(route === 'write' ? [] : [routed(route, rule)]),
        routed('write', route === 'write' ? rule : null),
        routed('finish', 1),
      ]);
    },
    60_000,
  );

  test('a pair that has both goes both ways', async () => {
    const { client } = team;
    const result = await client.run(await jobOn(client, 'remedy', withDevelopmentScript()));
    const way = ['remedy', 'evaluator', 'waiver', 'evaluator'];
    expect(result.agents.map(({ agent }) => agent).toSorted()).toEqual(agentsOn(way).toSorted());
    expect(decisionsOf(await storyOf(client, result.runId)).filter((line) => line.includes('route'))).toEqual(
      ['4 route remedy', '4 route waive', '4 route write', '4 route finish'],
    );
  }, 60_000);

  test('a remedy that lies is sent back with the reason, and done again', async () => {
    const honest = await runGate(routePair('remedy'));
    let rounds = 0;
    const asked: number[] = [];
    const stranger = anAgent('remedy', (task) => {
      rounds += 1;
      asked.push(task.previous.filter(({ address }) => address.startsWith('4.1')).length);
      return rounds === 1 ? lying(honest.remedies) : asJson(honest.remedies);
    });
    const { client } = await teamWith(stranger);
    const result = await client.run(await jobOn(client, 'remedy'));
    expect([result.status, rounds, asked]).toEqual(['completed', 2, [0, 2]]);
    expect(await client.output(result.runId, '4.1.1.2')).toMatchObject({
      verdict: 'fail',
      rejected: [
        { id: honest.remedies?.remedies[0]?.id, reason: expect.stringMatching(/its proof is another/) },
      ],
    });
    expect(await client.output(result.runId, '4.1.1#2.2')).toMatchObject({ verdict: 'pass', rejected: [] });
    expect(decisionsOf(await storyOf(client, result.runId))).toContain('4.1 loop repeat');
    expect(GateReport.parse(result.output).markdown).toContain('### Proven remedies (3)');
  }, 60_000);

  test('one that lies every time has three rounds, and then counts for nothing', async () => {
    const honest = await runGate(routePair('remedy'));
    let rounds = 0;
    const { client } = await teamWith(
      anAgent('remedy', () => {
        rounds += 1;
        return lying(honest.remedies);
      }),
    );
    const result = await client.run(await jobOn(client, 'remedy'));
    expect([result.status, rounds]).toEqual(['completed', 3]);
    expect(decisionsOf(await storyOf(client, result.runId))).toContain('4.1 limit finish');
    const report = GateReport.parse(result.output);
    expect(report.verdict).toBe('block');
    expect(report.markdown).toContain('### Proven remedies (2)');
    expect(report.markdown).toContain('1 proposed remedy did not hold, and counts for nothing.');
    const policy = PolicyReport.parse(await client.output(result.runId, '4.3.1.1'));
    expect(policy.decisions.filter(({ remedy }) => remedy !== null)).toHaveLength(2);
  }, 60_000);

  test.each(['licence', 'remedy', 'evaluator'])(
    'where %s fails, the verdict is block and says what is missing',
    async (name) => {
      const broken = (): never => {
        // Not tried again, so that the test need not wait for that.
        throw new AppError('AGENT_INPUT_INVALID', 'broken on purpose');
      };
      const { client } = await teamWith(anAgent(name, broken, { input: z.unknown() }));
      const result = await client.run(await jobOn(client, 'remedy'));
      expect(result.status).toBe('completed');
      expect(result.degraded.length).toBeGreaterThan(0);
      const report = GateReport.parse(result.output);
      expect(report.verdict).toBe('block');
      expect(report.markdown).toContain(
        name === 'remedy' ? 'No remedy was worked out' : `Nothing came from ${name}`,
      );
    },
    60_000,
  );
});

function routed(chosen: string, rule: number | null): object {
  const alternatives = ['remedy', 'waive', 'write', 'finish'].filter((id) => id !== chosen);
  const reason = rule === null ? 'no rule holds' : `rule ${rule} holds`;
  return expect.objectContaining({ address: '4', kind: 'route', chosen, reason, alternatives });
}

/** The remedy pair, with a development package whose script runs as well. */
function withDevelopmentScript(): { readonly head: Uint8Array; readonly base: Uint8Array } {
  const [both, waive] = [routePair('remedy'), routePair('waive')].map(
    ({ head }) => JSON.parse(head.toString()) as { packages: Record<string, Record<string, object>> },
  );
  const packages = { ...waive?.packages, ...both?.packages };
  const devDependencies = waive?.packages['']?.['devDependencies'] ?? {};
  packages[''] = { ...both?.packages[''], devDependencies };
  return { ...routePair('remedy'), head: Buffer.from(JSON.stringify({ ...both, packages })) };
}

/** The same remedies, of which the first claims more than is so. */
function lying(report: RemedyReport | undefined): Json {
  const { remedies, ...rest } = RemedyReport.parse(report);
  const [first, ...others] = remedies;
  if (first === undefined) throw new Error('there is no remedy to lie about');
  const proof = { ...first.proof, high: { ...first.proof.high, after: 0 } };
  return asJson({ remedies: [{ ...first, proof }, ...others], ...rest });
}

function asJson(value: unknown): Json {
  return JSON.parse(JSON.stringify(value)) as Json;
}
