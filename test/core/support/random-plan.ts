import type { Catalogue } from '../../../src/core/plan';
import type { AgentSchemas } from '../../../src/core/plan/problem';
import { worstCase } from '../../../src/core/plan/bounds';
import { outputName } from '../../../src/core/strategies/branch-keys';
import type { JsonObject } from '../../../src/protocol/json';
import type { AdaptiveOption, Step } from '../../../src/protocol/plan';
import type { Router } from '../../../src/protocol/plan/decisions';
import type { Predicate } from '../../../src/protocol/predicate';
import type { Random } from '../../gate/support/random';

const VERDICT: JsonObject = {
  type: 'object',
  properties: {
    verdict: { type: 'string', enum: ['pass', 'fail'] },
    score: { type: 'number' },
    text: { type: 'string' },
    next: { anyOf: [{ type: 'string' }, { type: 'null' }] },
  },
  required: ['verdict', 'score', 'text', 'next'],
  additionalProperties: false,
};

const ROUTE: JsonObject = {
  type: 'object',
  properties: { next: { type: 'string' }, reason: { type: 'string' } },
  required: ['next', 'reason'],
  additionalProperties: false,
};

const OPTIONS: JsonObject = {
  type: 'object',
  properties: {
    options: { type: 'array', items: { type: 'object', properties: { id: { type: 'string' } } } },
    instructions: { type: 'string' },
  },
  required: ['options'],
  additionalProperties: false,
};

const LEVEL: JsonObject = {
  type: 'object',
  properties: { level: { type: 'integer', minimum: 1, maximum: 9 } },
  additionalProperties: false,
};

const WORKERS = ['alpha', 'beta', 'gamma', 'delta'];
export const ROUTERS = ['chooser', 'router'];

/** Agents that verdicts come from, one that takes no input, and two that route. */
export const CATALOGUE: Catalogue = {
  agents: new Map<string, AgentSchemas>([
    ...WORKERS.map((name) => [name, { inputSchema: LEVEL, outputSchema: VERDICT }] as const),
    ['judge', { inputSchema: null, outputSchema: VERDICT }],
    [
      'numbers',
      { inputSchema: OPTIONS, outputSchema: { type: 'object', properties: { next: { type: 'number' } } } },
    ],
    ...ROUTERS.map((name) => [name, { inputSchema: OPTIONS, outputSchema: ROUTE }] as const),
  ]),
  plans: new Set(['stored']),
};

/** What a predicate may ask for where a step stands. */
interface Seen {
  /** Names of agents' outputs. */
  readonly names: readonly string[];
  /** Whether the last output is an agent's. */
  readonly last: boolean;
  readonly rounds: boolean;
  /** In a map: whether an entry is an agent's output, or one of the context's. */
  readonly item?: 'verdict' | 'file' | undefined;
}

interface Made {
  readonly step: Step;
  /** Names that it leaves agents' outputs under. */
  readonly names: readonly string[];
  /** Whether its own output is an agent's; undefined where it has none. */
  readonly verdict: boolean | undefined;
}

const WORST = 1_500;

/** Plans of every kind, all of which validation accepts. */
export class PlanMaker {
  private ids = 0;

  constructor(private readonly random: Random) {}

  plan(): Step {
    return this.step({ names: [], last: false, rounds: false }, 1 + this.random.below(4)).step;
  }

  private step(seen: Seen, depth: number): Made {
    const made = depth <= 1 ? this.leaf() : this.composite(seen, depth);
    const { step } = made;
    const options = {
      ...(this.random.chance(0.12) ? { when: this.predicate(seen) } : {}),
      ...(this.random.chance(0.25) ? { onFailure: this.onFailure() } : {}),
      ...('retry' in step || step.type === 'wait' || step.type === 'approval' || this.random.chance(0.9)
        ? {}
        : { retry: { maxAttempts: 2 } }),
    };
    const whole = { ...made, step: { ...step, ...options } as Step };
    return worstCase(whole.step) > WORST ? this.agent() : whole;
  }

  private leaf(): Made {
    if (this.random.chance(0.88)) return this.agent();
    const step = this.random.pick<Step>([
      { type: 'wait', for: 'timer', durationMs: 1_000 },
      { type: 'wait', for: 'message', where: exists('/content/ready'), timeoutMs: 60_000 },
      { type: 'wait', for: 'context', key: 'note', where: exists('/level'), timeoutMs: 60_000 },
      { type: 'approval', prompt: 'Go on?', timeoutMs: 60_000 },
      { type: 'run', plan: { type: 'agent', agent: 'alpha' } },
      { type: 'run', stored: { name: 'stored' } },
    ]);
    const silent = step.type === 'wait' && step.for === 'timer';
    return { step, names: [], verdict: silent ? undefined : step.type !== 'approval' };
  }

  private agent(named = this.random.chance(0.3)): Made {
    const agent = this.random.pick(WORKERS);
    const step: Step = {
      type: 'agent',
      agent,
      ...(named ? { id: this.id() } : {}),
      ...(this.random.chance(0.2) ? { input: { level: 1 + this.random.below(9) } } : {}),
    };
    return { step, names: [outputName(step) ?? agent], verdict: true };
  }

  private composite(seen: Seen, depth: number): Made {
    switch (this.random.below(6)) {
      case 0:
      case 1:
        return this.sequence(seen, depth);
      case 2:
        return this.parallel(seen, depth);
      case 3:
        return this.adaptive(seen, depth);
      case 4:
        return this.map(seen, depth);
      default:
        return this.loop(seen, depth);
    }
  }

  private sequence(seen: Seen, depth: number): Made {
    let now = seen;
    const made: Made[] = [];
    for (let count = 1 + this.random.below(4); count > 0; count -= 1) {
      const one = this.step(now, depth - 1);
      made.push(one);
      const last = one.verdict ?? now.last;
      now = { ...now, names: [...now.names, ...one.names], last };
    }
    const names = made.flatMap((one) => one.names);
    const verdict = made.findLast((one) => one.verdict !== undefined)?.verdict ?? false;
    return { step: { type: 'sequence', steps: made.map(({ step }) => step) }, names, verdict };
  }

  private parallel(seen: Seen, depth: number): Made {
    const made = Array.from({ length: 1 + this.random.below(4) }, () => this.step(seen, depth - 1));
    const steps = made.map(({ step }) => step);
    const voting = made.some(({ verdict }) => verdict === true);
    const aggregate = this.random.pick([
      undefined,
      'merge',
      'concat',
      { agent: 'judge' },
      ...(voting ? [{ vote: '/verdict' }, { best: '/score' }] : []),
    ] as const);
    const quorum = this.random.pick([
      undefined,
      undefined,
      'majority',
      'all',
      { first: 1 + this.random.below(steps.length) },
    ] as const);
    const step: Step = {
      type: 'parallel',
      steps,
      aggregate,
      quorum,
      maxConcurrency: this.random.chance(0.4) ? 1 + this.random.below(3) : undefined,
    };
    const names = made.flatMap((one) => one.names);
    return { step, names, verdict: typeof aggregate === 'object' };
  }

  private adaptive(seen: Seen, depth: number): Made {
    const made = Array.from({ length: 1 + this.random.below(3) }, () =>
      this.step({ ...seen, rounds: true }, depth - 1),
    );
    const options: AdaptiveOption[] = made.map(({ step }) => ({ id: this.id(), step }));
    const ids = options.map(({ id }) => id);
    const verdict = made.some((one) => one.verdict === true);
    const names = made.flatMap((one) => one.names);
    const step: Step = {
      type: 'adaptive',
      options,
      router: this.router(ids, {
        names: [...seen.names, ...names],
        last: seen.last || verdict,
        rounds: true,
      }),
      maxSteps: 1 + this.random.below(4),
      ...(this.random.chance(0.3) ? { first: this.random.pick(ids) } : {}),
      ...(verdict && this.random.chance(0.4) ? { handOff: '/next' } : {}),
      ...(this.random.chance(0.5) ? { onLimit: 'finish' } : {}),
    };
    return { step, names, verdict };
  }

  private router(ids: readonly string[], seen: Seen): Router {
    const otherwise = this.random.pick([undefined, 'finish', 'fail', this.random.pick(ids)]);
    const more = otherwise === undefined ? {} : { otherwise };
    if (this.random.chance(0.3)) return { by: 'agent', agent: 'chooser', ...more };
    if (this.random.chance(0.2)) return { by: 'model', instructions: 'Choose well.', ...more };
    const to = (next: string, op: 'eq' | 'ne', value: string) => ({
      when: { op: 'and' as const, of: [this.predicate(seen), { op, pointer: '/input/mode', value }] },
      next,
    });
    const rules = ids.map((id, i) => to(id, 'ne', `mode-${i}`));
    return { by: 'rules', rules: [...rules, to('finish', 'eq', 'fast')], ...more };
  }

  private loop(seen: Seen, depth: number): Made {
    const body = this.step({ ...seen, rounds: true }, depth - 1);
    const after: Seen = {
      names: [...seen.names, ...body.names],
      last: body.verdict ?? seen.last,
      rounds: true,
    };
    const of = [this.predicate(after), { op: 'gte', pointer: '/iteration', value: 3 }] as const;
    const until: Predicate = { op: 'or', of };
    const step: Step = {
      type: 'loop',
      step: body.step,
      maxIterations: 1 + this.random.below(4),
      ...(this.random.chance(0.7) ? { until } : {}),
      ...(this.random.chance(0.5) ? { onLimit: 'finish' } : {}),
    };
    return { step, names: body.names, verdict: body.verdict ?? false };
  }

  /** Over a list of the context, in a blob or not, over a list in an entry, or over what branches have made. */
  private map(seen: Seen, depth: number): Made {
    const branches = this.random.chance(0.3);
    const over = branches
      ? '/last'
      : this.random.pick([
          '/context/files',
          '/context/kept/files',
          '/input/missing',
          ...(seen.item === 'file' ? ['/item/parts'] : []),
        ]);
    const item = branches ? 'verdict' : over === '/input/missing' ? undefined : 'file';
    const body = this.step({ ...seen, item, last: seen.last && !branches }, depth - 1);
    const step: Step = {
      type: 'map',
      over,
      step: body.step,
      maxItems: 1 + this.random.below(5),
      ...(this.random.chance(0.4) ? { maxConcurrency: 1 + this.random.below(3) } : {}),
    };
    if (!branches) return { step, names: [], verdict: false };
    const steps = Array.from({ length: 1 + this.random.below(3) }, () => this.agent().step);
    const first: Step = { type: 'parallel', steps, aggregate: 'concat', onFailure: 'fail' };
    const names = steps.map((one) => outputName(one) ?? '');
    return { step: { type: 'sequence', steps: [first, step] }, names, verdict: false };
  }

  private onFailure(): NonNullable<Step['onFailure']> {
    return this.random.pick([
      'fail',
      'skip',
      { fallback: { value: { verdict: 'fail', score: 0, text: 'instead', next: null } } },
      { fallback: { agent: this.random.pick(WORKERS) } },
    ] as const);
  }

  private predicate({ names, last, rounds, item }: Seen): Predicate {
    const places = [
      ...names.map((name) => `/outputs/${name}`),
      ...(last ? ['/last', '/last', '/last'] : []),
      ...(item === 'verdict' ? ['/item', '/item'] : []),
    ];
    const open: Predicate[] = [
      { op: 'eq', pointer: '/input/mode', value: 'fast' },
      { op: 'gte', pointer: '/context/note/level', value: this.random.below(4) },
      { op: 'prefix', pointer: '/task', value: 'Do' },
      ...(item === undefined ? [] : [{ op: 'lt', pointer: '/index', value: 2 } as const]),
      ...(item === 'file' ? FILES : []),
      ...(rounds ? [{ op: 'lt', pointer: '/iteration', value: 3 } as const] : []),
    ];
    const asked = places.map((place): Predicate => {
      const of: Predicate[] = [
        { op: 'eq', pointer: `${place}/verdict`, value: 'pass' },
        { op: 'in', pointer: `${place}/verdict`, values: ['fail', 'other'] },
        { op: 'gt', pointer: `${place}/score`, value: this.random.below(10) },
        { op: 'lte', pointer: `${place}/text`, value: 'm' },
        { op: 'prefix', pointer: `${place}/text`, value: 'x'.repeat(1 + this.random.below(256)) },
        { op: 'exists', pointer: `${place}/next` },
        { op: 'ne', pointer: `${place}/next`, value: null },
      ];
      return this.random.pick(of);
    });
    const one = this.random.pick([...open, ...asked, ...asked]);
    if (this.random.chance(0.2)) return { op: 'not', of: one };
    if (this.random.chance(0.3))
      return { op: this.random.pick(['and', 'or'] as const), of: [one, this.random.pick(open)] };
    return one;
  }

  private id(): string {
    this.ids += 1;
    return `step-${this.ids}`;
  }
}

const FILES: readonly Predicate[] = [
  { op: 'gte', pointer: '/item/level', value: 2 },
  { op: 'prefix', pointer: '/item/name', value: 'x'.repeat(200) },
  { op: 'exists', pointer: '/item/parts/0' },
];

function exists(pointer: string): Predicate {
  return { op: 'exists', pointer };
}
