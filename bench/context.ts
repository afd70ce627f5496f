import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { type AgentContext, BaseAgent } from '../src/agents/base-agent';
import { type Benchmark, type Figure, figure, median, percentile } from './figures';
import { type Rig, startRig } from './rig';

const WRITERS = 8;
const READERS = 4;
const READS = 150;
const ROUNDS = 3;

/** Times of reads in milliseconds, and what the writers came to meanwhile. */
interface Load {
  readonly reads: number[];
  writes: number;
  readers: number;
}

const NOBODY: Load = { reads: [], writes: 0, readers: 0 };
let load: Load = NOBODY;

/** Counts on one key, with compare-and-set, for as long as anybody reads. */
class WritingAgent extends BaseAgent<string> {
  static readonly manifest = {
    name: 'writing',
    version: '1.0.0',
    description: 'Writes to the shared context',
    output: z.string(),
  };

  async execute(_: unknown, { context }: AgentContext): Promise<string> {
    while (load.readers > 0) {
      await context.update('n', (value) => Number(value ?? 0) + 1);
      load.writes += 1;
    }
    return 'done';
  }
}

/** Reads one key again and again. */
class ReadingAgent extends BaseAgent<string> {
  static readonly manifest = {
    name: 'reading',
    version: '1.0.0',
    description: 'Reads the shared context',
    output: z.string(),
  };

  async execute(_: unknown, { context }: AgentContext): Promise<string> {
    await readAll(() => context.read('n'));
    return 'done';
  }
}

/** What it takes to read the shared context while others write, beside bare queries, alone and under the same load. */
export const context: Benchmark = {
  name: 'context',
  async run(log) {
    await using rig = await startRig(log, { agents: [WritingAgent, ReadingAgent] });
    const [ours, alone, loaded]: number[][] = [[], [], []];
    for (let round = 0; round <= ROUNDS; round += 1) {
      const mine = await underLoad(() => oursDone(rig));
      const idle = await underLoad(() => bareDone(rig, { writers: 0, readers: 1 }));
      const busy = await underLoad(() => bareDone(rig, { writers: WRITERS, readers: READERS }));
      log(
        `  context      ${round === 0 ? 'warm-up ' : `round ${round}`}: ours ${told(mine)}; bare ${told(busy)}; bare alone ${told(idle)}`,
      );
      if (round === 0) continue;
      ours?.push(percentile(mine.reads, 95));
      alone?.push(percentile(idle.reads, 95));
      loaded?.push(percentile(busy.reads, 95));
    }
    return figuresOf(median(ours ?? []), { alone: median(alone ?? []), loaded: median(loaded ?? []) });
  },
};

function figuresOf(ours: number, reference: { readonly alone: number; readonly loaded: number }): Figure[] {
  const common = { ours, unit: `ms, p95 of ${READERS} readers beside ${WRITERS} writers` };
  return [
    figure({ ...common, name: 'context.read_p95_ms', reference: reference.loaded, target: 'ratio <= 1.25' }),
    figure({ ...common, name: 'context.read_vs_idle', reference: reference.alone, target: 'ratio <= 6' }),
  ];
}

function told({ reads, writes }: Load): string {
  const [p50, p95] = [50, 95].map((p) => percentile(reads, p).toFixed(1));
  return `p50 ${p50} ms, p95 ${p95} ms beside ${writes} writes`;
}

async function underLoad(work: () => Promise<unknown>): Promise<Load> {
  const mine: Load = { reads: [], writes: 0, readers: 0 };
  load = mine;
  await work();
  load = NOBODY;
  return mine;
}

async function readAll(read: () => Promise<unknown>): Promise<void> {
  load.readers += 1;
  for (let i = 0; i < READS; i += 1) {
    const since = performance.now();
    await read();
    load.reads.push(performance.now() - since);
    await sleep(5);
  }
  load.readers -= 1;
}

async function oursDone({ client }: Rig): Promise<void> {
  const agents = Array.from({ length: READERS + WRITERS }, (_, i) => (i < READERS ? 'reading' : 'writing'));
  const { status } = await client.run({ task: 'bench', plan: { strategy: 'parallel', agents } });
  if (status !== 'completed') throw new Error(`The run is ${status}`);
}

interface Crowd {
  readonly writers: number;
  readonly readers: number;
}

/** The same on a bare workflow: each writer with one update in flight, each reader with one query. */
async function bareDone({ temporal, bareQueue }: Rig, { writers, readers }: Crowd): Promise<void> {
  const workflowId = `bare-${crypto.randomUUID()}`;
  const handle = await temporal.workflow.start('bareNumber', { workflowId, taskQueue: bareQueue });
  const reading = Promise.all(Array.from({ length: readers }, () => readAll(() => handle.query('value'))));
  const write = async (): Promise<void> => {
    while (load.readers > 0) {
      await handle.executeUpdate('add');
      load.writes += 1;
    }
  };
  await Promise.all(Array.from({ length: writers }, write));
  await reading;
  await handle.signal('end');
  await handle.result();
}
