// What a provider of one's own is made of: `ensemble/models`.
export type { ProviderFactory, ProviderRegistry, SelectOptions } from './factory';
export { type FallbackProvider, fallbackProvider, type ModelChain } from './fallback';
export {
  answerInvalid,
  type Attempt,
  faultFailure,
  faultInBody,
  type ProviderFault,
  streamEnded,
} from './failures';
export { type HttpProviderOptions, overHttp, type Wire } from './http';
export {
  ModelError,
  type ModelFailureCode,
  type ModelIdentity,
  tokensOrNull,
  UNKNOWN_USAGE,
} from './model-error';
export type {
  CallOptions,
  ModelChunk,
  ModelMessage,
  ModelProvider,
  ModelReply,
  ModelRequest,
  ModelUsage,
  ToolCall,
  ToolDeclaration,
} from './port';
export { anthropicProvider } from './providers/anthropic';
export { openAiProvider } from './providers/openai';
export { openAiCompatibleProvider } from './providers/openai-compatible';
export { type Asked, chunksOf, Gathered, ownState, type RawAnswer, type RawToolCall, toReply } from './reply';
export { planSchema, schemaInstruction, type SchemaPlan } from './schema';
export type { ModelSettings } from './settings';
export { estimateTokens } from './tokens';
