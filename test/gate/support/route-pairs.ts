import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const FOLDER = join(__dirname, '..', '..', '..', 'examples', 'dependency-gate');
const START = ['inventory', 'licence', 'provenance', 'footprint', 'evaluator'] as const;

/** The prepared pairs, the agents that each of them must take in order, and what becomes of the change. */
export const ROUTES = {
  write: { way: [], verdict: 'merge' },
  waive: { way: ['waiver', 'evaluator'], verdict: 'waive' },
  remedy: { way: ['remedy', 'evaluator'], verdict: 'block' },
} as const;
export type Route = keyof typeof ROUTES;

/** The two files of a prepared pair. */
export function routePair(route: Route): { readonly head: Buffer; readonly base: Buffer } {
  const file = (name: string): Buffer => readFileSync(join(FOLDER, route, `${name}.package-lock.json`));
  return { head: file('head'), base: file('base') };
}

/** The agents that work where these ways are gone. */
export function agentsOn(way: readonly string[]): readonly string[] {
  return [...START, ...way, 'policy', 'graph', 'report-writer'];
}
