/** Names by which any Temporal client, in any language, reaches a run's bus. */
export const BUS_WORKFLOW = 'messageBus';
export const DELIVER_SIGNAL = 'bus.deliver';
export const CLOSE_SIGNAL = 'bus.close';
/** From a bus to its run: steps that wait have something to look at. */
export const WAKE_SIGNAL = 'bus.wake';

/** The task queue of routing: members that wait for messages must not hold the slots that bring them. */
export function busQueueOf(taskQueue: string): string {
  return `${taskQueue}-bus`;
}
