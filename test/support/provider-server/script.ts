import type { IncomingHttpHeaders } from 'node:http';
import type { FaultName } from './faults';

/** The three wire formats the server speaks. */
export const WIRES = ['responses', 'chat', 'messages'] as const;
export type WireName = (typeof WIRES)[number];

/** A tool call as the scripted model makes it; a string goes out as it is, valid JSON or not. */
export interface ScriptedToolCall {
  readonly id?: string;
  readonly name: string;
  readonly arguments: unknown;
}

/** What the scripted model answers, whatever the wire format. */
export interface ScriptedAnswer {
  readonly text?: string;
  readonly reasoning?: string;
  /** Opaque reasoning that the client has to hand back with the turn. */
  readonly sealedReasoning?: string;
  readonly toolCalls?: readonly ScriptedToolCall[];
  readonly finish?: 'stop' | 'length' | 'refusal';
  /** null: the server says nothing of usage. */
  readonly usage?: ScriptedUsage | null;
  /** Characters per streamed delta. */
  readonly deltaChars?: number;
  /** Bytes per network write, to cut events and characters in the middle; 0 writes event by event. */
  readonly writeBytes?: number;
  readonly delayMs?: number;
}

export interface ScriptedUsage {
  readonly input: number;
  readonly output: number;
  readonly cached?: number;
  readonly cacheWrite?: number;
  readonly reasoning?: number;
}

/** One step of a script: an answer, or a fault by its name. */
export type ScriptStep = ScriptedAnswer | { readonly fault: FaultName };

/** A script: steps in order, or a function of the request. */
export type Script = readonly ScriptStep[] | ((request: RecordedRequest, index: number) => ScriptStep);

/** A request as the server saw it. */
export interface RecordedRequest {
  readonly wire: WireName | 'count' | 'models';
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Readonly<Record<string, unknown>>;
  readonly streaming: boolean;
  /** Whether the client hung up before the answer was complete. */
  hungUp: boolean;
}

/** How one wire format renders an answer. */
export interface Renderer {
  /** The whole answer as one JSON body. */
  body(answer: ScriptedAnswer, model: string): Readonly<Record<string, unknown>>;
  /** The answer as server-sent events, the closing ones included. */
  events(answer: ScriptedAnswer, model: string): readonly string[];
  /** An error body. */
  error(type: string, code: string | null, message: string): Readonly<Record<string, unknown>>;
  /** An error in the middle of a stream. */
  errorEvent(type: string, message: string): string;
  /** An answer that holds nothing. */
  empty(model: string): Readonly<Record<string, unknown>>;
}

/** Cuts a text into deltas; at least one, so that an empty text still makes an event. */
export function deltas(text: string, chars = 8): readonly string[] {
  const parts: string[] = [];
  for (let at = 0; at < text.length; at += chars) parts.push(text.slice(at, at + chars));
  return parts.length > 0 ? parts : [''];
}

/** Arguments as they travel. */
export function writtenArguments({ arguments: given }: ScriptedToolCall): string {
  return typeof given === 'string' ? given : JSON.stringify(given);
}

/** One server-sent event. */
export function sse(data: unknown, event?: string): string {
  return `${event === undefined ? '' : `event: ${event}\n`}data: ${JSON.stringify(data)}\n\n`;
}

export const DEFAULT_USAGE: ScriptedUsage = { input: 11, output: 7, cached: 3, reasoning: 2 };
