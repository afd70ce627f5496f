import { DEFAULTS } from '../../protocol/limits';
import type { MapStep } from '../../protocol/plan';
import { firstFailure, isRunning, outputOf, type Strategy } from './strategy';

/** The same child for every entry, at most `maxConcurrency` at a time. What has no output is null in its place. */
export const map: Strategy<MapStep> = ({ step, visits, world: { entries } }) => {
  if (entries === undefined) return { type: 'wait' };
  const failure = firstFailure(visits);
  if (failure !== undefined) return { type: 'fail', failure };
  const most = step.maxItems ?? DEFAULTS.mapItems;
  if (entries > most) {
    const message = `The list at "${step.over}" has ${entries} entries; the step's limit is ${most} (maxItems)`;
    const limit = { kind: 'limit', chosen: 'fail', reason: message, alternatives: [] } as const;
    return { type: 'fail', failure: { code: 'STEP_LIMIT', message }, decided: [limit] };
  }
  const running = visits.filter(isRunning).length;
  const count = Math.min((step.maxConcurrency ?? entries) - running, entries - visits.length);
  if (count > 0) return { type: 'start', children: Array.from({ length: count }, () => 0) };
  if (running > 0) return { type: 'wait' };
  return { type: 'finish', output: { list: visits.map((visit) => outputOf(visit) ?? { inline: null }) } };
};
