import { createHash } from 'node:crypto';
import { type AgentContext, type AgentTask, type BaseAgent } from '../../../src/agents/base-agent';
import { Evaluator } from '../../../src/agents/built-in/evaluator';
import { Footprint } from '../../../src/agents/dependency-gate/footprint';
import { Inventory } from '../../../src/agents/dependency-gate/inventory';
import { Licence } from '../../../src/agents/dependency-gate/licence';
import { Policy } from '../../../src/agents/dependency-gate/policy';
import { Provenance } from '../../../src/agents/dependency-gate/provenance';
import { type GateReport, ReportWriter } from '../../../src/agents/dependency-gate/report-writer';
import type { Finding, FindingReport } from '../../../src/agents/dependency-gate/finding';
import type { FootprintReport } from '../../../src/agents/dependency-gate/footprint-report';
import type { InventoryReport } from '../../../src/agents/dependency-gate/inventory-report';
import type { PolicyReport } from '../../../src/agents/dependency-gate/policy-schema';
import type { Verification } from '../../../src/agents/tools/verify/verify';
import { memoryContext } from '../../../src/agents/testing/memory-context';
import type { BlobRef, Json } from '../../../src/protocol/json';
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
  readonly policy?: Json;
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
  readonly model: ToldModel;
}

/** The gate's agents in the order of its plan, each fed as the runtime feeds it, without servers. */
export class GateBench {
  readonly model = new ToldModel();
  readonly beats: string[] = [];
  private readonly blobs = new Map<string, Uint8Array>();
  private readonly done: { agent: string; output: Json }[] = [];

  constructor(private readonly gate: GateCase) {}

  async finding<Output>(agent: BaseAgent<Output>, name: string): Promise<Output> {
    return await this.turn(agent, name, null);
  }

  /** Has the evaluator strike what is false, as the gate's plan does. */
  async verify(): Promise<Verification> {
    return (await this.turn(new Evaluator(), 'evaluator', {
      verify: { facts: 'dependency-gate' },
    })) as Verification;
  }

  async turn<Output>(agent: BaseAgent<Output>, name: string, options: Json): Promise<Output> {
    const output = await agent.execute(this.task(options), this.context());
    // Outputs travel as JSON between agents, so what JSON cannot hold must not matter.
    this.done.push({ agent: name, output: JSON.parse(JSON.stringify(output)) as Json });
    return output;
  }

  /** Has some agent hand on anything. */
  says(agent: string, output: Json): void {
    this.done.push({ agent, output });
  }

  context(signal = new AbortController().signal): AgentContext {
    return {
      ...memoryContext({ model: this.model, signal }).context,
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

function sideBySide(bench: GateBench): Promise<[FindingReport, FindingReport, FootprintReport]> {
  return Promise.all([
    bench.finding(new Licence(), 'licence'),
    bench.finding(new Provenance(), 'provenance'),
    bench.finding(new Footprint(), 'footprint'),
  ]);
}

/** Everything the three finding agents find. */
export async function findAll(bench: GateBench): Promise<readonly Finding[]> {
  return (await sideBySide(bench)).flatMap(({ findings }) => findings);
}

/** Runs the whole gate. The model answers with a sentence that holds no number, unless the script says otherwise. */
export async function runGate(gate: GateCase, answer = 'See below.'): Promise<GateOutputs> {
  const bench = new GateBench(gate);
  bench.model.answers(answer);
  const inventory = await bench.finding(new Inventory(), 'inventory');
  const [licence, provenance, footprint] = await sideBySide(bench);
  const verification = await bench.verify();
  const policy = await bench.turn(new Policy(), 'policy', gate.policy ?? null);
  const report = await bench.turn(new ReportWriter(), 'report-writer', null);
  const findings = [...licence.findings, ...provenance.findings, ...footprint.findings];
  return {
    inventory,
    licence,
    provenance,
    footprint,
    verification,
    policy,
    report,
    findings,
    model: bench.model,
  };
}
