export interface Rounds {
  readonly warmUp: number;
  readonly counted: number;
}

/**
 * Times all of them twice a round, once in their order and once in the other: what one leaves behind, each finds as often. In a fan-out every second one takes a third
 * longer, whatever it is of (the collectors of the processes come round that often): in plain turns it would be the same one
 * each time.
 */
export async function measured<Name extends string>(
  { warmUp, counted }: Rounds,
  contenders: Readonly<Record<Name, () => Promise<unknown>>>,
): Promise<Record<Name, number[]>> {
  const names = Object.keys(contenders) as Name[];
  const times = Object.fromEntries(names.map((name) => [name, new Array<number>()])) as Record<
    Name,
    number[]
  >;
  for (let round = 0; round < warmUp + counted; round += 1) {
    const spent = new Map<Name, number>();
    for (const name of [...names, ...names.toReversed()])
      spent.set(name, (spent.get(name) ?? 0) + (await timed(contenders[name])) / 2);
    if (round >= warmUp) for (const [name, ms] of spent) times[name].push(ms);
  }
  return times;
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const since = performance.now();
  await work();
  return performance.now() - since;
}
