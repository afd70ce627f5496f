import {
  condition,
  defineQuery,
  defineSignal,
  defineUpdate,
  proxyActivities,
  setHandler,
} from '@temporalio/workflow';

const { noop } = proxyActivities<{ noop(input: string): Promise<string> }>({
  startToCloseTimeout: '1 minute',
  heartbeatTimeout: '15s',
  retry: { initialInterval: '2s', backoffCoefficient: 2, maximumAttempts: 4 },
});

/** The reference: nothing but activities, one after another. */
export async function bareSequence(count: number): Promise<number> {
  for (let i = 0; i < count; i += 1) await noop(String(i));
  return count;
}

/** The reference: nothing but activities, all at once. */
export async function bareFanout(count: number): Promise<number> {
  await Promise.all(Array.from({ length: count }, (_, i) => noop(String(i))));
  return count;
}

/** The reference: a number, read by query and changed by update, until it is told to end. */
export async function bareNumber(): Promise<number> {
  let value = 0;
  let over = false;
  setHandler(defineQuery<number>('value'), () => value);
  setHandler(defineUpdate<number>('add'), () => (value += 1));
  setHandler(defineSignal('end'), () => {
    over = true;
  });
  await condition(() => over);
  return value;
}
