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
  Journal,
  OutputOf,
  PreviousAgentOutput,
  Reconciled,
  SideEffects,
  ToolHost,
  ToolRun,
  ToolUse,
} from './base-agent';
export type { ContextReading, PrivateContext, SharedContext } from './shared-context';
export { defineMerge } from '../core/context/merges';
export { ReactAnswer, reasonAndAct } from './built-in/react-loop';
export type { ReactOutcome, ReactSettings } from './built-in/react-loop';
export { checkedDefinition, customAgent } from './custom-agent';
export type { AgentDefinition, AgentDefinitionInput, ModelChoice } from '../protocol/agent-definition';
export { toolsNamed } from './tools';
export { gatherMaterial } from './tools/text/material';
export { defineTool } from './tools/tool';
export type { Tool, ToolCallScope, ToolDefinition } from './tools/tool';
export { writePrompt } from '../llm/documents';
export type { GivenDocument } from '../llm/documents';
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
