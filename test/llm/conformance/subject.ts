import type { ModelProvider } from '../../../src/llm/port';
import type { ScriptStep } from '../../support/provider-server/script';

/** The cases of the suite, by what they claim. */
export const CASES = [
  'answers a text',
  'answers through a stream what it answers at once',
  'ends a stream with exactly one end chunk',
  'keeps characters whole however the network cuts them',
  'streams reasoning apart from the text',
  'gives an answer of a schema',
  'gives an answer whose schema is not an object',
  'takes optional keys as absent, not as null',
  'calls a tool',
  'takes the result of a tool',
  'makes several tool calls in one turn',
  'hands back its own state of a turn',
  'reports usage, and null where it is unknown',
  'says when the output limit was reached',
  'sends the system text, the limit and the tools',
  'counts the tokens of a request',
  'checks its key without a model call',
  'rejects with the reason when it is aborted before the call',
  'rejects with the reason when it is aborted during the call',
  'rejects with the reason when a stream is aborted',
  'hangs up when its stream is left',
  'is usable by many at once',
] as const;
export type CaseName = (typeof CASES)[number];

/** A provider under test, and a way to decide what the model behind it says. */
export interface Subject {
  readonly provider: ModelProvider;
  /** Decides the next answers; does nothing where there is no model behind the provider. */
  readonly play: (...steps: ScriptStep[]) => void;
  /** What the model was asked, where that can be known. */
  readonly lastBody: () => Readonly<Record<string, unknown>> | undefined;
  readonly hungUp: () => Promise<boolean>;
}

export interface ConformanceOptions {
  readonly skip?: readonly { readonly reason: string; readonly cases: readonly CaseName[] }[];
}

/** Declares one case of the suite. */
export type Run = (title: CaseName, body: (subject: Subject) => Promise<void>) => void;
