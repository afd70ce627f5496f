import type { Usage } from '../protocol/agent';

const MICROS_PER_DOLLAR = 1_000_000;

/** What model calls took, failed ones included, in words; what nobody counted is said to be unknown. */
export function usageLine({ modelCalls, inputTokens, outputTokens, costMicros }: Usage): string {
  if (modelCalls === 0) return 'no model call';
  const calls = modelCalls === 1 ? '1 model call' : `${modelCalls} model calls`;
  const tokens =
    inputTokens === null && outputTokens === null
      ? 'tokens unknown'
      : `${inputTokens ?? 'unknown'} in, ${outputTokens ?? 'unknown'} out tokens`;
  const cost = costMicros === null ? 'cost unknown' : `cost ${dollars(costMicros)}`;
  return `${calls}, ${tokens}, ${cost}`;
}

/** Four digits where a call costs less than a cent. */
function dollars(micros: number): string {
  const amount = micros / MICROS_PER_DOLLAR;
  if (micros === 0) return '$0';
  return `$${amount.toFixed(amount < 1 ? 4 : 2)}`;
}
