import fc from 'fast-check';
import { checkedDefinition, customAgent } from '../../src/agents/custom-agent';
import { describeAgent } from '../../src/agents/describe';
import { agentOf } from '../../src/agents/inspect-module';
import { agentState, testAgent } from '../../src/agents/testing';
import { offlineProvider } from '../../src/llm/providers/offline';
import type { AgentDefinitionInput } from '../../src/protocol/agent-definition';
import { AppError } from '../../src/protocol/failures';
import type { Json, JsonObject } from '../../src/protocol/json';
import { JsonSchema, typeOfSchema } from '../../src/protocol/json-schema';
import { MINUTES } from './fake-context';

const PRICE: JsonObject = {
  type: 'object',
  properties: { total: { type: 'number', minimum: 0 }, currency: { enum: ['CHF', 'EUR'] } },
  required: ['total', 'currency'],
  additionalProperties: false,
};
const QUOTER: AgentDefinitionInput = {
  name: 'quoter',
  description: 'Quotes a price',
  prompt: 'You quote prices in the currency that is asked for.',
  tools: ['calculator'],
  input: { type: 'object', properties: { currency: { type: 'string' } }, required: ['currency'] },
  output: PRICE,
};

const problemsOf = (given: unknown): string => {
  try {
    checkedDefinition(given);
  } catch (error) {
    if (AppError.is(error) && error.code === 'INPUT_INVALID') return error.message;
    throw error;
  }
  return 'none';
};

describe('an agent made of data', () => {
  test('is an agent like any other: the loader takes it, the catalogue describes it', () => {
    const found = agentOf(customAgent(QUOTER, '2.1.0'));
    expect(found && describeAgent(found.manifest)).toMatchObject({
      name: 'quoter',
      version: '2.1.0',
      agentType: 'custom',
      limits: { timeoutMs: 300_000 },
      inputSchema: { type: 'object', required: ['currency'] },
      outputSchema: { type: 'object', required: ['total', 'currency'] },
    });
    expect(customAgent({ ...QUOTER, model: { provider: 'openai', model: 'm-1' } }).model).toEqual({
      provider: 'openai',
      model: 'm-1',
    });
  });

  test('reasons with its prompt, acts with its tools, and brings the answer into its shape', async () => {
    const { output, modelRequests, toolCalls } = await testAgent(customAgent(QUOTER), {
      task: 'What do 3 at 4.5 cost?',
      options: { currency: 'CHF' },
      model: [
        { toolCalls: [{ id: 'a', name: 'calculator', arguments: { expression: '3 * 4.5' } }] },
        { text: '13.5 francs' },
        { text: '{"total": 13.5, "currency": "CHF"}' },
      ],
    });
    expect(output).toEqual({ total: 13.5, currency: 'CHF' });
    expect(toolCalls).toMatchObject([{ name: 'calculator', step: '1.1', result: 13.5 }]);
    expect(modelRequests[0]?.system).toMatch(/^You quote prices.*\n\n.*never instructions/s);
    expect(modelRequests[0]?.messages[0]?.text).toContain('<document name="options">\ncurrency: CHF');
    expect(modelRequests[2]).toMatchObject({
      toolChoice: 'none',
      tools: [{ name: 'calculator' }],
      schema: { name: 'quoter' },
    });
    expect(modelRequests[2]?.messages.at(-2)).toEqual({ role: 'assistant', text: '13.5 francs' });
  });

  test('goes on after a crash, to the shaped answer itself', async () => {
    const state = agentState();
    const given = { state, options: { currency: 'CHF' } };
    const died = new Error('the process ended');
    const agent = customAgent(QUOTER);
    await expect(testAgent(agent, { ...given, model: [{ text: '5 francs' }, died] })).rejects.toBe(died);
    const shaped = await testAgent(agent, { ...given, model: [{ text: '{"total":5,"currency":"CHF"}' }] });
    expect(shaped.modelRequests).toHaveLength(1);
    const again = await testAgent(agent, { ...given, model: [] });
    expect(again.output).toEqual({ total: 5, currency: 'CHF' });
  });

  test('asks once where it has no tools, and has an answer of react where it has no output schema', async () => {
    const { output: _, tools: _tools, input: _input, ...plain } = QUOTER;
    const shaped = await testAgent(customAgent({ ...plain, output: PRICE }), {
      model: [{ text: '{"total":1,"currency":"EUR"}' }],
    });
    expect(shaped.modelRequests).toHaveLength(1);
    const free = await testAgent(customAgent(plain), { model: [{ text: 'One euro.' }] });
    expect(free.output).toMatchObject({ text: 'One euro.', finished: 'answered' });
    const offline = await testAgent(customAgent(plain), {
      previous: { minutes: MINUTES },
      model: offlineProvider(),
    });
    expect(offline.output).toMatchObject({ provider: 'offline', text: expect.stringContaining('bridge') });
  });

  test('is refused options and outputs that its schemas do not take', async () => {
    const agent = customAgent(QUOTER);
    await expect(testAgent(agent, { options: {} })).rejects.toMatchObject({ code: 'AGENT_INPUT_INVALID' });
    const wrong = Array.from({ length: 4 }, () => ({ text: '{"total":-1,"currency":"USD"}' }));
    await expect(testAgent(agent, { options: { currency: 'x' }, model: wrong })).rejects.toMatchObject({
      code: 'MODEL_ANSWER_INVALID',
    });
  });

  test('says so where its token limit leaves no answer to bring into shape', async () => {
    const turn = {
      toolCalls: [{ id: 'a', name: 'calculator', arguments: { expression: '1+1' } }],
      usage: { inputTokens: 900, outputTokens: 90, cachedInputTokens: null, reasoningTokens: null },
    };
    const agent = customAgent({ ...QUOTER, maxTokens: 1_000 });
    await expect(testAgent(agent, { options: { currency: 'CHF' }, model: [turn] })).rejects.toMatchObject({
      code: 'AGENT_OUTPUT_INVALID',
      message: expect.stringContaining('maxTokens (1000)'),
    });
  });

  test('counts the call that brings the answer into its shape', async () => {
    const usage = { inputTokens: 900, outputTokens: 90, cachedInputTokens: null, reasoningTokens: null };
    const given = { options: { currency: 'CHF' }, model: [{ text: '13.50 francs', usage }] };
    await expect(testAgent(customAgent({ ...QUOTER, maxTokens: 1_100 }), given)).rejects.toMatchObject({
      code: 'AGENT_OUTPUT_INVALID',
      message: expect.stringContaining('maxTokens (1100)'),
    });
    const shaped = { text: '{"total": 13.5, "currency": "CHF"}' };
    const { modelRequests } = await testAgent(customAgent({ ...QUOTER, maxTokens: 3_000 }), {
      ...given,
      model: [...given.model, shaped],
    });
    const bound = modelRequests[1]?.maxOutputTokens ?? Infinity;
    expect(bound).toBeLessThan(3_000 - 990);
    // Without tools as well, where it is the only call.
    const { tools: _, ...plain } = QUOTER;
    const direct = testAgent(customAgent({ ...plain, maxTokens: 100 }), { options: { currency: 'CHF' } });
    await expect(direct).rejects.toMatchObject({ code: 'AGENT_OUTPUT_INVALID' });
  });
});

describe('a definition', () => {
  test('is told every problem at once, with its place and the way out', () => {
    const told = problemsOf({
      name: 'Bad Name',
      prompt: ' ',
      tools: ['calculator', 'rocket', 'http'],
      maxSteps: 0,
      input: { type: 'array' },
      output: { type: 'object', properties: { a: { type: 'strnig' } }, required: ['b'] },
      colour: 'red',
    });
    for (const part of [
      'name must be lower-case',
      'description Invalid input',
      'prompt must not be empty (tell the model who it is',
      'tools.1 names the unknown tool "rocket" (known tools: calculator, date',
      'tools.2 names the unknown tool "http"',
      'maxSteps Too small',
      'input must be a JSON Schema of type "object"',
      'output.properties.a.type',
      'definition Unrecognized key: "colour" (a definition has name, description',
    ])
      expect(told).toContain(part);
  });

  test.each([null, 5, 'text', [], undefined, { tools: 'all' }, { tools: [1] }])(
    '%j is refused in words',
    (given) => {
      expect(problemsOf(given)).toMatch(/^Agent definition: /);
    },
  );
});

describe('a JSON Schema in a definition', () => {
  const problem = (output: Json) => problemsOf({ name: 'a', description: 'd', prompt: 'p', output });

  test.each<[Json, string]>([
    [{ type: 'object', propertise: {} }, 'Unrecognized key: "propertise"'],
    [{ type: 'object', properties: 3 }, 'output.properties'],
    [{ type: 'object', required: ['a'] }, '"a" is not among the properties'],
    [{ type: 'string', pattern: '(a+)+$' }, 'Unrecognized key: "pattern"'],
    [{ $ref: '#/$defs/a', $defs: { a: { $ref: '#/$defs/a' } } }, 'Unrecognized keys: "$ref", "$defs"'],
    [{ minimum: 3 }, 'output.minimum needs "type": "number"'],
    [{ type: 'string', minimum: 3 }, 'output.minimum needs "type": "number"'],
    [{ type: 'string', format: 'weird' }, 'output.format'],
    [{ anyOf: [] }, 'output.anyOf'],
    [{ anyOf: [{ type: 'string' }], properties: {} }, 'output.properties cannot stand beside anyOf'],
    [{ type: ['object', 'null'] }, 'use anyOf'],
    [{ type: 'array', items: [{ type: 'string' }] }, 'output.items'],
    ['text', 'output'],
    [true, 'output'],
  ])('%j is refused', (schema, told) => {
    expect(problem(schema)).toContain(told);
    expect(problem(schema)).toContain('no pattern, no $ref');
  });

  test('is refused where it is too deep or too large, without a crash', () => {
    let deep: Json = { type: 'string' };
    for (let i = 0; i < 5_000; i += 1) deep = { type: 'array', items: deep };
    expect(problem(deep)).toContain('nested deeper than 40 levels');
    expect(problem({ type: 'string', description: 'x'.repeat(70_000) })).toContain('at most 65536 bytes');
  });

  const leaf = fc.constantFrom<JsonObject>(
    { type: 'string', minLength: 1 },
    { type: 'integer', minimum: 0, maximum: 9 },
    { type: ['string', 'null'] },
    { enum: ['a', 1, null] },
    { const: 'x' },
    { type: 'string', format: 'date' },
    {},
  );
  const { schema: anySchema } = fc.letrec<{ schema: JsonObject }>((tie) => ({
    schema: fc.oneof(
      { maxDepth: 4 },
      leaf,
      fc.record({ type: fc.constant('array'), items: tie('schema') }),
      fc.record({ anyOf: fc.array(tie('schema'), { minLength: 1, maxLength: 3 }) }),
      fc
        .dictionary(fc.constantFrom('a', 'b', 'c'), tie('schema'))
        .map((properties) => ({ type: 'object', properties, required: Object.keys(properties) })),
    ),
  }));

  test('becomes a type and a description again, whatever is accepted', () => {
    fc.assert(
      fc.property(anySchema, (schema) => {
        expect(JsonSchema.parse(schema)).toEqual(schema);
        expect(() => typeOfSchema(schema).safeParse({ a: 1 })).not.toThrow();
        const found = agentOf(customAgent({ name: 'a', description: 'd', prompt: 'p', output: schema }));
        expect(found?.manifest.name).toBe('a');
      }),
    );
  });
});
