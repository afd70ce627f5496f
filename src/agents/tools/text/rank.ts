import { z } from 'zod';
import type { GivenDocument } from '../../../llm/documents';
import type { Compared, Pair } from './compare';

/** A pair with what was said of it, and who of the two is better all in all. */
export interface ComparedPair {
  readonly pair: Pair;
  readonly criteria: readonly Compared[];
}

const Place = z.object({ name: z.string(), points: z.number() });

/** Which of several outputs is best, by comparing each with each. */
export const Comparison = z.object({
  verdict: z.enum(['better', 'tie', 'inconclusive']),
  winner: z.string().nullable().describe('The best output; null where none is'),
  text: z.string().describe('The verdict in words'),
  ranking: z.array(Place).describe('Best first: a point for each pair won, half a point for each tie'),
  pairs: z.array(
    z.object({
      outputs: z.array(z.string()).length(2),
      better: z.string().nullable(),
      known: z.boolean().describe('False where less than half of the weight could be compared'),
      criteria: z.array(
        z.object({
          name: z.string(),
          weight: z.number(),
          better: z.string().nullable(),
          basis: z.enum(['model', 'measured', 'unknown']),
          steady: z.boolean().describe('False where the choice changed with the order'),
          reason: z.string(),
          evidence: z.array(z.object({ source: z.string(), quote: z.string() })),
        }),
      ),
    }),
  ),
  provider: z.string(),
  model: z.string(),
});
export type Comparison = z.output<typeof Comparison>;

/** Each output with each that follows it. */
export function pairsOf(outputs: readonly GivenDocument[]): readonly Pair[] {
  return outputs.flatMap((one, at) => outputs.slice(at + 1).map((other): Pair => [one, other]));
}

/** Counts the pairs that each output won. */
export function rank(
  outputs: readonly GivenDocument[],
  compared: readonly ComparedPair[],
): Omit<Comparison, 'provider' | 'model'> {
  const pairs = compared.map(settled);
  const points = new Map(outputs.map(({ name }) => [name, 0]));
  for (const { outputs: both, better, known } of pairs) {
    for (const name of both) {
      const won = !known ? 0 : better === null ? 0.5 : better === name ? 1 : 0;
      points.set(name, (points.get(name) ?? 0) + won);
    }
  }
  const ranking = [...points]
    .map(([name, all]) => ({ name, points: all }))
    .sort((one, other) => other.points - one.points);
  const [first, second] = ranking;
  const unknown = pairs.some(({ known }) => !known);
  const winner = unknown || first === undefined || first.points === second?.points ? null : first.name;
  const verdict = unknown ? 'inconclusive' : winner === null ? 'tie' : 'better';
  return { verdict, winner, text: inWords({ verdict, winner, pairs }), ranking, pairs };
}

/** The better one by weight; nothing is concluded where less than half of the weight is known. */
function settled({ pair: [one, other], criteria }: ComparedPair): Comparison['pairs'][number] {
  const weightOf = (test: (criterion: Compared) => boolean): number =>
    criteria.filter(test).reduce((sum, { weight }) => sum + weight, 0);
  const known = weightOf(({ basis }) => basis !== 'unknown') >= weightOf(() => true) / 2;
  const ahead =
    weightOf(({ better }) => better === one.name) - weightOf(({ better }) => better === other.name);
  const better = !known || ahead === 0 ? null : ahead > 0 ? one.name : other.name;
  return { outputs: [one.name, other.name], better, known, criteria: [...criteria] };
}

function inWords({ verdict, winner, pairs }: Pick<Comparison, 'verdict' | 'winner' | 'pairs'>): string {
  const head =
    verdict === 'inconclusive'
      ? 'inconclusive: too little could be compared'
      : winner === null
        ? 'tie: none is better than all others'
        : `better: ${winner}`;
  const lines = pairs.flatMap(({ outputs, better, known, criteria }) => [
    `- ${outputs.join(' against ')}: ${known ? (better ?? 'equal') : 'unknown'}`,
    ...criteria.map((one) => `  - ${one.name}: ${one.better ?? 'neither'} (${one.basis}) ${one.reason}`),
  ]);
  return [head, ...lines].join('\n');
}
