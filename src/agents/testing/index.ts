// What authors of agents test them with: `import { testAgent } from 'ensemble/testing'`.
export { agentState, memoryContext } from './memory-context';
export type { AgentState, ContextRecord, LoggedLine, MemoryContextOptions } from './memory-context';
export type { ScriptedAnswer, ScriptedBus, SentMessage, WaitingMessage } from './memory-bus';
export type { RecordedToolCall, ScriptedTool } from './memory-ledger';
export { scriptedModel } from './scripted-model';
export type { ScriptedModel, ScriptedReply } from './scripted-model';
export { testAgent } from './test-agent';
export type { Tested, TestGiven } from './test-agent';
