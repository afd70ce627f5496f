import type { z } from 'zod';
import type { AgentManifest } from '../protocol/agent';
import { AppError } from '../protocol/failures';
import type { Json } from '../protocol/json';
import { LIMITS } from '../protocol/limits';
import { isDeeperThan, unstorable } from '../core/text';

/** The step's input as the agent's schema parses it. Throws AGENT_INPUT_INVALID with every field that is wrong. */
export function parsedOptions(manifest: AgentManifest, given: Json): Json {
  if (manifest.input === undefined) {
    if (given === null) return null;
    throw new AppError(
      'AGENT_INPUT_INVALID',
      `Agent "${manifest.name}" takes no input; remove the step's "input"`,
    );
  }
  const parsed = manifest.input.safeParse(given ?? {});
  if (parsed.success) return parsed.data as Json;
  throw new AppError('AGENT_INPUT_INVALID', `Input of agent "${manifest.name}": ${issuesOf(parsed.error)}`);
}

/** The output as JSON that its schema accepts. Throws AGENT_OUTPUT_INVALID, AGENT_OUTPUT_TOO_LARGE. */
export function checkedOutput(manifest: AgentManifest, raw: unknown): Json {
  const parsed = manifest.output.safeParse(raw);
  if (!parsed.success)
    throw new AppError(
      'AGENT_OUTPUT_INVALID',
      `Output of agent "${manifest.name}": ${issuesOf(parsed.error)}`,
    );
  const text = serialised(manifest, parsed.data);
  const limit = manifest.limits.outputBytes;
  const bytes = Buffer.byteLength(text);
  if (bytes > limit)
    throw new AppError(
      'AGENT_OUTPUT_TOO_LARGE',
      `Output of agent "${manifest.name}" has ${bytes} bytes; its limit is ${limit} (limits.outputBytes in the manifest)`,
    );
  const character = unstorable(text);
  if (character !== undefined)
    throw new AppError('AGENT_OUTPUT_INVALID', `Output of agent "${manifest.name}" holds ${character}`);
  const output = JSON.parse(text) as Json;
  if (isDeeperThan(output, LIMITS.valueDepth))
    throw new AppError(
      'AGENT_OUTPUT_INVALID',
      `Output of agent "${manifest.name}" is nested deeper than ${LIMITS.valueDepth} levels`,
    );
  return output;
}

function serialised(manifest: AgentManifest, value: unknown): string {
  try {
    const text = JSON.stringify(value);
    if (typeof text === 'string') return text;
  } catch (cause) {
    throw new AppError(
      'AGENT_OUTPUT_INVALID',
      `Output of agent "${manifest.name}" is not JSON: ${String(cause)}`,
      { cause },
    );
  }
  throw new AppError('AGENT_OUTPUT_INVALID', `Output of agent "${manifest.name}" is not JSON`);
}

function issuesOf(error: z.ZodError): string {
  return error.issues
    .slice(0, 10)
    .map((issue) => `${issue.path.join('.') || 'value'}: ${issue.message}`)
    .join('; ');
}
