// What authors of agents import: `import { BaseAgent, z } from 'ensemble/agents'`.
export { z } from 'zod';
export { AppError } from '../protocol/failures';
export type { FailureCode } from '../protocol/failures';
export type { AgentLimits, AgentManifest, AgentManifestInput } from '../protocol/agent';
export type { BlobRef, Json, JsonObject } from '../protocol/json';
export { BaseAgent } from './base-agent';
export type {
  AgentClass,
  AgentContext,
  AgentLog,
  AgentTask,
  OutputOf,
  PreviousAgentOutput,
} from './base-agent';
export { writePrompt } from '../llm/documents';
export { invokeStructured } from '../llm/structured';
export type { StructuredOptions, StructuredReply, StructuredRequest } from '../llm/structured';
export type {
  AnswerSchema,
  CallOptions,
  ModelChunk,
  ModelMessage,
  ModelProvider,
  ModelReply,
  ModelRequest,
  ModelUsage,
  ToolCall,
  ToolDeclaration,
} from '../llm/port';
