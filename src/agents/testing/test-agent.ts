import type { Json, JsonObject } from '../../protocol/json';
import type { ModelProvider, ModelRequest } from '../../llm/port';
import { checkedOutput, parsedOptions } from '../agent-io';
import type { AgentClass, AgentTask, BaseAgent } from '../base-agent';
import { agentOf, notLoaded } from '../inspect-module';
import { type ContextRecord, memoryContext, type MemoryContextOptions } from './memory-context';
import { scriptedModel, type ScriptedReply } from './scripted-model';

/** What an agent under test is given; everything may be left out. */
export interface TestGiven extends Omit<MemoryContextOptions, 'model'> {
  readonly task?: string;
  /** The run's input. */
  readonly input?: JsonObject;
  /** The step's input, checked by the manifest's input schema. */
  readonly options?: Json;
  /** In a map: the entry, and its index from 0. */
  readonly item?: Json;
  readonly index?: number;
  /** Outputs that came before, by address. */
  readonly previous?: Readonly<Record<string, Json>>;
  /** The model's replies in order, or a provider. */
  readonly model?: readonly ScriptedReply[] | ModelProvider;
}

/** What an agent under test did. */
export interface Tested<Output> extends Omit<ContextRecord, 'writes'> {
  /** As JSON that the manifest's output schema accepts. */
  readonly output: Output;
  /** What it set in the shared context. */
  readonly context: Readonly<Record<string, Json>>;
  /** What a scripted model was asked. */
  readonly modelRequests: readonly ModelRequest[];
}

/**
 * Runs one attempt of an agent as a worker does, without Temporal, PostgreSQL or a model provider. Throws what the agent
 * throws, AGENT_NOT_LOADED for a bad manifest, AGENT_INPUT_INVALID, AGENT_OUTPUT_INVALID and AGENT_OUTPUT_TOO_LARGE.
 */
export async function testAgent<Output>(
  agentClass: AgentClass & (new () => BaseAgent<Output>),
  given: TestGiven = {},
): Promise<Tested<Output>> {
  const loaded = agentOf(agentClass);
  if (loaded === undefined) throw notLoaded('this class does not extend BaseAgent');
  const { manifest } = loaded;
  const model = providerOf(given.model ?? []);
  const { context, record } = memoryContext({ ...given, model });
  const task = givenTask({ ...given, options: parsedOptions(manifest, given.options ?? null) });
  const output = checkedOutput(manifest, await new agentClass().execute(task, context));
  await context.bus.commit();
  const { writes, ...rest } = record;
  return {
    ...rest,
    output: output as Output,
    context: Object.fromEntries(writes),
    modelRequests: 'requests' in model ? model.requests : [],
  };
}

/** A task as a worker hands it over. */
function givenTask({ task, input, options, previous, item, index }: TestGiven): AgentTask {
  return {
    text: task ?? 'Do something useful.',
    input: input ?? {},
    options: options ?? null,
    ...(item === undefined ? {} : { item }),
    ...(index === undefined ? {} : { index }),
    previous: Object.entries(previous ?? {}).map(([address, output]) => ({
      agent: address,
      address,
      read: () => Promise.resolve(output),
    })),
  };
}

function providerOf(
  model: readonly ScriptedReply[] | ModelProvider,
): ModelProvider | ReturnType<typeof scriptedModel> {
  return isScript(model) ? scriptedModel(...model) : model;
}

function isScript(model: readonly ScriptedReply[] | ModelProvider): model is readonly ScriptedReply[] {
  return Array.isArray(model);
}
