/** What a server that speaks Chat Completions may refuse of a request. */
export const FEATURES = [
  'stream-usage',
  'tools',
  'tool-choice',
  'json-schema-strict',
  'json-schema',
  'json-object',
  'max-tokens',
  'max-completion-tokens',
  'temperature',
] as const;
export type Feature = (typeof FEATURES)[number];

/** Sends a tiny request with one feature, or with none; false where the server refuses it. Throws any other failure. */
export type Probe = (feature: Feature | 'none') => Promise<boolean>;

const KNOWN = new Map<string, Capabilities>();

/** What this process has learnt of the server at a base URL and one of its models. */
export function capabilitiesOf(baseUrl: string, model: string): Capabilities {
  const key = `${baseUrl} ${model}`;
  const known = KNOWN.get(key) ?? new Capabilities();
  KNOWN.set(key, known);
  return known;
}

/** What one server takes. A feature counts as taken until a refused request made us ask. */
export class Capabilities {
  readonly #known = new Map<Feature | 'none', boolean>();
  readonly #probing = new Map<Feature | 'none', Promise<boolean>>();

  takes(feature: Feature): boolean {
    return this.#known.get(feature) ?? true;
  }

  /**
   * After a refused request: asks for each feature it used, once per process. Returns whether the server refuses one of
   * them, so that the request is worth another try without it.
   */
  async refusesOneOf(features: readonly Feature[], probe: Probe): Promise<boolean> {
    // A server that refuses even the plainest request says nothing of features.
    if (features.length === 0 || !(await this.#ask('none', probe))) return false;
    for (const feature of features) await this.#ask(feature, probe);
    return features.some((feature) => !this.takes(feature));
  }

  /** Asks for everything that is not known yet; undefined where the server refuses even the plainest request. */
  async all(probe: Probe): Promise<Readonly<Record<Feature, boolean>> | undefined> {
    if (!(await this.#ask('none', probe))) return undefined;
    await this.refusesOneOf(FEATURES, probe);
    const all = FEATURES.map((feature) => [feature, this.takes(feature)] as const);
    return Object.fromEntries(all) as Record<Feature, boolean>;
  }

  async #ask(feature: Feature | 'none', probe: Probe): Promise<boolean> {
    const known = this.#known.get(feature);
    if (known !== undefined) return known;
    const underWay = this.#probing.get(feature);
    if (underWay !== undefined) {
      // The other call's probe ends with that call; then it is ours to ask.
      const answer = await underWay.catch(() => undefined);
      if (answer !== undefined) return answer;
    }
    const asking = probe(feature);
    this.#probing.set(feature, asking);
    try {
      const taken = await asking;
      // Whoever refuses the plainest request may take it later: a model is loaded, a name is corrected.
      if (feature !== 'none' || taken) this.#known.set(feature, taken);
      return taken;
    } finally {
      if (this.#probing.get(feature) === asking) this.#probing.delete(feature);
    }
  }
}
