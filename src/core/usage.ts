import type { Usage } from '../protocol/agent';

export const NO_USAGE: Usage = {
  modelCalls: 0,
  inputTokens: 0,
  outputTokens: 0,
  cachedInputTokens: 0,
  reasoningTokens: 0,
  costMicros: 0,
};

/** Sums two usages; what is unknown in either stays unknown. */
export function addUsage(a: Usage, b: Usage): Usage {
  return {
    modelCalls: a.modelCalls + b.modelCalls,
    inputTokens: addKnown(a.inputTokens, b.inputTokens),
    outputTokens: addKnown(a.outputTokens, b.outputTokens),
    cachedInputTokens: addKnown(a.cachedInputTokens, b.cachedInputTokens),
    reasoningTokens: addKnown(a.reasoningTokens, b.reasoningTokens),
    costMicros: addKnown(a.costMicros, b.costMicros),
  };
}

/** `undefined`: a result of an older worker, which did not know of this part. */
function addKnown(a: number | null | undefined, b: number | null | undefined): number | null {
  return typeof a === 'number' && typeof b === 'number' ? a + b : null;
}
