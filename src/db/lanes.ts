interface Lane {
  running: number;
  readonly waiting: (() => void)[];
}

/** Lets at most so many pieces of work of one key run at a time; the others wait in the order they came. */
export class Lanes {
  private readonly lanes = new Map<string, Lane>();

  constructor(private readonly width: number) {}

  async run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const lane = this.lanes.get(key) ?? { running: 0, waiting: [] };
    this.lanes.set(key, lane);
    if (lane.running < this.width) lane.running += 1;
    else await new Promise<void>((go) => lane.waiting.push(go));
    try {
      return await work();
    } finally {
      const next = lane.waiting.shift();
      // Whoever is next takes over the place.
      if (next !== undefined) next();
      else if ((lane.running -= 1) === 0) this.lanes.delete(key);
    }
  }
}
