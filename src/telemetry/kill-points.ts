/**
 * The moments between which a crash must change nothing. Production reaches them at no cost; a test installs a handler that
 * ends the process at one of them (test/kills), and fails where a point is never reached.
 */
export const KILL_POINTS = [
  'open.before',
  'open.after',
  'tool.before',
  'outcome.before',
  'tool.after',
  'model.before',
  'model.after',
  'context.before',
  'context.written',
  'context.after',
  'heartbeat.before',
  'heartbeat.after',
  'close.before',
  'close.after',
  'completion.before',
] as const;
export type KillPoint = (typeof KILL_POINTS)[number];

let handler: ((point: KillPoint) => void) | undefined;

/** Says that the process is at a point. */
export function reach(point: KillPoint): void {
  handler?.(point);
}

/**
 * Installs what is to happen at points; undefined for nothing.
 *
 * @public Called through the build, by the worker of test/kills.
 */
export function onReach(next: typeof handler): void {
  handler = next;
}
