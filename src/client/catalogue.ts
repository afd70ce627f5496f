import type { Repositories } from '../db/repositories';
import { pinnable, type PinnableAgent, pinnableDefinition } from './pinnable';

interface Source {
  readonly repositories: Pick<Repositories, 'agents' | 'agentDefinitions'>;
  readonly tenantId: string;
}

/** Starts come in bursts, and workers register when they start: a second is as good as now. */
const FRESH_MS = 1_000;

/** The agents that new runs of a tenant may pin: those that workers registered, and those that the tenant defined. */
export class Catalogue {
  private registered: Promise<readonly PinnableAgent[]> | undefined;
  private readAtMs = -Infinity;

  constructor(private readonly source: Source) {}

  /**
   * At least every agent of these names that there is. Where a worker has registered a name, that agent counts, and not a
   * definition under the same name.
   */
  async agents(names: readonly string[]): Promise<readonly PinnableAgent[]> {
    const { repositories, tenantId } = this.source;
    const registered = await this.read();
    const missing = without(names, registered);
    if (missing.length === 0) return registered;
    const defined = (await repositories.agentDefinitions.newest(tenantId, missing)).map(pinnableDefinition);
    if (without(missing, defined).length === 0) return [...registered, ...defined];
    // Registered just now, it may be; else everything there is belongs into the refusal.
    this.registered = undefined;
    const all = await this.read();
    const taken = new Set(all.map(({ version }) => version.name));
    const others = (await repositories.agentDefinitions.newest(tenantId)).map(pinnableDefinition);
    return [...all, ...others.filter(({ version }) => !taken.has(version.name))];
  }

  private read(): Promise<readonly PinnableAgent[]> {
    if (this.registered !== undefined && performance.now() - this.readAtMs < FRESH_MS) return this.registered;
    const reading = this.source.repositories.agents.list().then(pinnable);
    this.registered = reading;
    this.readAtMs = performance.now();
    reading.catch(() => {
      if (this.registered === reading) this.registered = undefined;
    });
    return reading;
  }
}

function without(names: readonly string[], agents: readonly PinnableAgent[]): readonly string[] {
  const there = new Set(agents.map(({ version }) => version.name));
  return names.filter((name) => !there.has(name));
}
