import type { JsonObject } from './json';

/** Every kind of line a run's story can hold, in the order they usually appear. */
export const EVENT_TYPES = [
  'run.accepted',
  'run.started',
  'step.decided',
  'agent.started',
  'agent.attempt-failed',
  'agent.asleep',
  'agent.completed',
  'agent.failed',
  'agent.skipped',
  'agent.fell-back',
  'tool.outcome-unknown',
  'tool.resolved',
  'context.changed',
  'context.refused',
  'run.child-accepted',
  'run.child-ended',
  'run.completed',
  'run.failed',
  'run.cancelled',
] as const;
export type EventType = (typeof EVENT_TYPES)[number];

/** An event before PostgreSQL numbered it. `key` is deterministic: appending the same key twice changes nothing. */
export interface NewEvent {
  readonly key: string;
  readonly type: EventType;
  /** The step's address in the plan, where the event belongs to one. */
  readonly address?: string;
  readonly agent?: string;
  readonly data: JsonObject;
}

/** One line of a run's gap-free, ordered story. `seq` starts at 1; `at` is ISO 8601 by the database's clock. */
export interface RunEvent extends NewEvent {
  readonly runId: string;
  readonly seq: number;
  readonly at: string;
}
