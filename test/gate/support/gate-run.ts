import { createHash } from 'node:crypto';
import { type AgentContext, type AgentTask, type BaseAgent } from '../../../src/agents/base-agent';
import { Evaluator } from '../../../src/agents/built-in/evaluator';
import { Footprint } from '../../../src/agents/dependency-gate/footprint';
import { Graph } from '../../../src/agents/dependency-gate/graph';
import { Inventory } from '../../../src/agents/dependency-gate/inventory';
import { Licence } from '../../../src/agents/dependency-gate/licence';
import { RemedyAgent } from '../../../src/agents/dependency-gate/remedy';
import type { RemedyReport } from '../../../src/agents/dependency-gate/remedy-schema';
import { WaiverAgent } from '../../../src/agents/dependency-gate/waiver';
import type { WaiverReport } from '../../../src/agents/dependency-gate/waivers';
import { gatePlan } from '../../../src/cli/dependency-gate/plan';
import { type Carried, carryOut } from './carry-out';
import { Policy } from '../../../src/agents/dependency-gate/policy';
import { Provenance } from '../../../src/agents/dependency-gate/provenance';
import { type GateReport, ReportWriter } from '../../../src/agents/dependency-gate/report-writer';
import type { Finding, FindingReport } from '../../../src/agents/dependency-gate/finding';
import type { FootprintReport } from '../../../src/agents/dependency-gate/footprint-report';
import type { InventoryReport } from '../../../src/agents/dependency-gate/inventory-report';
import type { PolicyReport } from '../../../src/agents/dependency-gate/policy-schema';
import type { Verification } from '../../../src/agents/tools/verify/verify';
import { memoryContext } from '../../../src/agents/testing/memory-context';
import type { BlobRef, Json, JsonObject } from '../../../src/protocol/json';
import { GateBus } from './gate-bus';
import type { Message } from '../../../src/protocol/message';
import { ToldModel } from './told-model';

/** A lock file as tests hold it: a document, or the very bytes. */
export type LockSource = object | Uint8Array;

export interface GateCase {
  readonly head: LockSource;
  readonly base?: LockSource | null;
  readonly headName?: string;
  readonly baseName?: string;
  readonly installed?: Readonly<Record<string, number>>;
  readonly nodeVersion?: string;
  readonly policy?: JsonObject;
}

export interface GateOutputs {
  readonly inventory: InventoryReport;
  readonly licence: FindingReport;
  readonly provenance: FindingReport;
  readonly footprint: FootprintReport;
  readonly verification: Verification;
  readonly policy: PolicyReport;
  readonly report: GateReport;
  readonly findings: readonly Finding[];
  readonly graph: Json;
  readonly model: ToldModel;
  /** What was said on the bus, in order. */
  readonly messages: readonly Message[];
  /** Absent where the plan did not go that way. */
  readonly remedies: RemedyReport | undefined;
  readonly waivers: WaiverReport | undefined;
  /** Which agents ran, in order, and what was decided. */
  readonly agents: Carried['agents'];
  readonly decided: Carried['decided'];
}

/** The gate's agents in the order of its plan, each fed as the runtime feeds it, without servers. */
export class GateBench {
  readonly model = new ToldModel();
  readonly beats: string[] = [];
  readonly bus = new GateBus({ 'dependency-path': 'graph' });
  private readonly shared = memoryContext({ model: this.model }).context.context;
  private readonly blobs = new Map<string, Uint8Array>();
  private readonly done: { agent: string; as: string; output: Json }[] = [];

  constructor(private readonly gate: GateCase) {}

  async finding<Output>(agent: BaseAgent<Output>, name: string): Promise<Output> {
    return await this.turn(agent, name);
  }

  /** Has the evaluator strike what is false, as the gate's plan does. */
  async verify(): Promise<Verification> {
    const options = { verify: { facts: 'dependency-gate' } };
    return (await this.turn(new Evaluator(), 'evaluator', { options })) as Verification;
  }

  async turn<Output>(
    agent: BaseAgent<Output>,
    name: string,
    { options = null, as = name }: { readonly options?: Json; readonly as?: string } = {},
  ): Promise<Output> {
    const output = await agent.execute(this.task(options), { ...this.context(), bus: this.bus.join(name) });
    // Outputs travel as JSON between agents, so what JSON cannot hold must not matter.
    this.done.push({ agent: name, as, output: JSON.parse(JSON.stringify(output)) as Json });
    return output;
  }

  /** The latest output under this name: the step's, else the agent's. */
  readonly said = (as: string): Json | undefined => this.done.findLast((one) => one.as === as)?.output;

  /** Has some agent hand on anything. */
  says(agent: string, output: Json): void {
    this.done.push({ agent, as: agent, output });
  }

  context(signal = new AbortController().signal): AgentContext {
    return {
      ...memoryContext({ model: this.model, signal }).context,
      context: this.shared,
      blobs: { read: async ({ blob }) => this.blobs.get(blob) ?? new Uint8Array() },
      heartbeat: (note) => void this.beats.push(note ?? ''),
    };
  }

  task(options: Json): AgentTask {
    const { head, base = null, headName = 'package-lock.json', baseName, installed, nodeVersion } = this.gate;
    const input = {
      gate: {
        head: this.put(head),
        base: base === null ? null : this.put(base),
        headName,
        baseName: base === null ? null : (baseName ?? 'package-lock.json before'),
        ...(installed === undefined ? {} : { installed: this.put(installed) }),
        ...(nodeVersion === undefined ? {} : { nodeVersion }),
      },
    };
    const previous = this.done.map(({ agent, output }) => ({
      agent,
      address: agent,
      read: async () => output,
    }));
    return { text: 'May this change be merged?', input, options, previous };
  }

  private put(source: LockSource): BlobRef {
    const bytes = source instanceof Uint8Array ? source : Buffer.from(JSON.stringify(source));
    const blob = createHash('sha256').update(bytes).digest('hex');
    this.blobs.set(blob, bytes);
    return { blob, bytes: bytes.byteLength, mediaType: 'application/json' };
  }
}

/** Everything the three finding agents find. */
export async function findAll(bench: GateBench): Promise<readonly Finding[]> {
  const reports = await Promise.all([
    bench.finding(new Licence(), 'licence'),
    bench.finding(new Provenance(), 'provenance'),
    bench.finding(new Footprint(), 'footprint'),
  ]);
  return reports.flatMap(({ findings }) => findings);
}

/** The gate's agents, by the names that its plan gives them. */
export const GATE_AGENTS = {
  inventory: Inventory,
  licence: Licence,
  provenance: Provenance,
  footprint: Footprint,
  evaluator: Evaluator,
  remedy: RemedyAgent,
  waiver: WaiverAgent,
  policy: Policy,
  graph: Graph,
  'report-writer': ReportWriter,
} as const;

/** Runs the whole gate by its plan. The model answers with a sentence that holds no number, unless the script says otherwise. */
export async function runGate(gate: GateCase, answer = 'See below.'): Promise<GateOutputs> {
  const bench = new GateBench(gate);
  bench.model.answers(answer);
  // It answers the policy while that works, and is due only when the policy is done.
  let answering: Promise<unknown> | undefined;
  const carried = await carryOut(gatePlan(), async ({ agent, id, input = null }) => {
    if (agent === 'graph') return (await answering) as Json;
    if (agent === 'policy') answering = bench.turn(new Graph(), 'graph');
    const Agent = GATE_AGENTS[agent as keyof typeof GATE_AGENTS];
    const options = agent === 'policy' ? { ...(input as JsonObject), ...gate.policy } : input;
    return (await bench.turn(new Agent() as BaseAgent, agent, { options, as: id ?? agent })) as Json;
  });
  const said = bench.said;
  const [licence, provenance, footprint] = [said('licence'), said('provenance'), said('footprint')] as [
    FindingReport,
    FindingReport,
    FootprintReport,
  ];
  return {
    inventory: said('inventory') as InventoryReport,
    licence,
    provenance,
    footprint,
    verification: said('evaluator') as Verification,
    remedies: said('remedy') as RemedyReport | undefined,
    waivers: said('waiver') as WaiverReport | undefined,
    policy: said('policy') as PolicyReport,
    report: said('report-writer') as GateReport,
    graph: said('graph') as Json,
    findings: [...licence.findings, ...provenance.findings, ...footprint.findings],
    model: bench.model,
    messages: bench.bus.log,
    ...carried,
  };
}
