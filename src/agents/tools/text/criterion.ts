import { z } from 'zod';
import { MEASURES, type MeasureName } from './measure';

const MEASURE_NAMES = Object.keys(MEASURES) as [MeasureName, ...MeasureName[]];

/** One step of a criterion's scale. */
const Level = z.strictObject({
  name: z.string().min(1).max(100),
  score: z.number().min(0).max(1),
  description: z.string().min(1).max(1_000).describe('What work of this level is like'),
});
export type Level = z.output<typeof Level>;

/** One thing to judge by. */
export const Criterion = z.strictObject({
  name: z.string().min(1).max(100),
  description: z.string().min(1).max(1_000).describe('What a full score means'),
  weight: z.number().positive().max(1_000).default(1),
  levels: z
    .array(Level)
    .min(2)
    .max(10)
    .refine((levels) => new Set(levels.map(({ name }) => name)).size === levels.length, 'two have one name')
    .optional()
    .describe('The scale: a score is that of one of these levels'),
  measure: z.enum(MEASURE_NAMES).optional().describe('How to judge it where there is no model'),
  terms: z
    .array(z.string().min(1).max(200))
    .min(1)
    .max(50)
    .optional()
    .describe('What must be spoken of; measured where there is no model'),
});
export type Criterion = z.output<typeof Criterion>;

/** What outputs are judged by where nothing else is said. */
export const DEFAULT_CRITERIA: z.input<typeof Criterion>[] & Criterion[] = [
  {
    name: 'relevance',
    description: 'It answers the task, all of it and nothing else.',
    weight: 3,
    measure: 'relevance',
  },
  {
    name: 'grounding',
    description: 'Every number, name and claim follows from the material.',
    weight: 3,
    measure: 'grounding',
  },
  {
    name: 'substance',
    description: 'It says something, and nothing is left to be filled in.',
    weight: 2,
    measure: 'substance',
  },
  {
    name: 'clarity',
    description: 'A reader understands it at the first reading.',
    weight: 1,
    measure: 'clarity',
  },
];

/** The criteria as a prompt states them. */
export function listed(criteria: readonly Criterion[]): string {
  const lines = criteria.flatMap(({ name, description, levels = [] }) => [
    `- ${name}: ${description}`,
    ...levels.map((level) => `  - level "${level.name}": ${level.description}`),
  ]);
  return lines.join('\n');
}

/** The highest level that a score reaches; the lowest where it reaches none. */
export function levelReached(levels: readonly Level[], score: number): Level | undefined {
  const ascending = levels.toSorted((one, other) => one.score - other.score);
  return ascending.findLast((level) => level.score <= score) ?? ascending[0];
}
