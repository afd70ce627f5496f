/** What a token chunk is. `reset`: of call 0, what earlier attempts streamed is void; of another, what that call did. */
export const TOKEN_KINDS = ['text', 'reasoning', 'tool-call', 'reset', 'end'] as const;
export type TokenKind = (typeof TOKEN_KINDS)[number];

/** The tool that a `tool-call` chunk holds arguments for. */
export interface TokenTool {
  readonly id: string;
  readonly name: string;
}

/** Some of what a model is saying, for whoever watches; the result does not depend on it. */
export interface TokenChunk {
  readonly agentRunId: string;
  readonly address: string;
  readonly agent: string;
  readonly attempt: number;
  /** Counts the streamed calls of an attempt from 1; 0 for the attempt as a whole. */
  readonly call: number;
  readonly kind: TokenKind;
  /** Text, reasoning or arguments to append to what came before of this call; empty for `reset` and `end`. */
  readonly text: string;
  readonly tool: TokenTool | null;
  /** The cursor: rises strictly within a run, with gaps. */
  readonly seq: number;
}
