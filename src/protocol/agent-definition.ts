import { z } from 'zod';
import { AgentLimits, AgentName } from './agent';
import type { Problem } from './failures';
import { JsonSchema, ObjectSchema } from './json-schema';

/** The provider and model that an agent asks for in place of the worker's own. */
export const ModelChoice = z.strictObject({
  provider: z.string().regex(/^[a-z][a-z0-9-]{0,63}$/, 'must be the name of a model provider'),
  model: z.string().trim().min(1).max(200),
});
export type ModelChoice = z.infer<typeof ModelChoice>;

/** An agent as data: it reasons with a prompt and acts with tools, by the loop of the react agent. */
export const AgentDefinition = z.strictObject({
  name: AgentName,
  description: z.string().trim().min(1, 'must not be empty').max(500),
  /** The system prompt. */
  prompt: z.string().trim().min(1, 'must not be empty').max(32_000),
  model: ModelChoice.optional(),
  /** Names of built-in tools; none unless told. */
  tools: z.array(z.string()).max(50).default([]),
  /** JSON Schema of the step's `input`; without one, a step may not carry any. */
  input: ObjectSchema.optional(),
  /** JSON Schema of the output; without one it is the react agent's. */
  output: JsonSchema.optional(),
  limits: AgentLimits.prefault({}),
  /** Model calls at most, before the one that brings the output into its shape. */
  maxSteps: z.int().min(1).max(50).default(8),
  /** Input and output tokens of those calls together, at most. */
  maxTokens: z.int().min(100).optional(),
});
export type AgentDefinition = z.infer<typeof AgentDefinition>;
/** What somebody writes: defaults may be left out. */
export type AgentDefinitionInput = z.input<typeof AgentDefinition>;

const HINTS: Readonly<Record<string, string>> = {
  name: 'such as "invoice-checker"',
  description: 'say in a sentence what the agent does',
  prompt: 'tell the model who it is and what its answers must hold',
  model: 'such as {"provider": "anthropic", "model": "..."}; leave it out for the worker\u2019s own',
  tools: 'a list of tool names',
  limits: 'timeoutMs in milliseconds and outputBytes in bytes; both may be left out',
  maxSteps: 'a whole number from 1 to 50',
  maxTokens: 'a whole number from 100; leave it out for no limit',
};
const SCHEMA_HINT =
  'type, properties, required, items, enum, const, anyOf, oneOf, format and bounds are taken; no pattern, no $ref, no if';
const OTHER_HINT = `a definition has ${Object.keys(AgentDefinition.shape).join(', ')}`;

/** Every problem of a definition at once; an empty list means that it can be built. */
export function definitionProblems(given: unknown, tools: readonly string[]): readonly Problem[] {
  const parsed = AgentDefinition.safeParse(given);
  const issues = parsed.success ? [] : parsed.error.issues;
  const problems = issues.map(({ path, message }): Problem => {
    const [field] = path;
    const hint = field === 'input' || field === 'output' ? SCHEMA_HINT : HINTS[String(field)];
    return { path: path.join('.') || 'definition', message, hint: hint ?? OTHER_HINT };
  });
  return [...problems, ...unknownTools(given, tools)];
}

function unknownTools(given: unknown, tools: readonly string[]): Problem[] {
  const named: unknown = typeof given === 'object' && given !== null && 'tools' in given ? given.tools : [];
  if (!Array.isArray(named)) return [];
  return named.flatMap((name: unknown, index) => {
    if (typeof name !== 'string' || tools.includes(name)) return [];
    const message = `names the unknown tool "${name.slice(0, 100)}"`;
    return { path: `tools.${index}`, message, hint: `known tools: ${tools.join(', ')}` };
  });
}
