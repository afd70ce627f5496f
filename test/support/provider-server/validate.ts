import type { WireName } from './script';

type Body = Readonly<Record<string, unknown>>;

const FORCED = ['any', 'tool'];

/** What the real API would answer 400 to; undefined where the request is one that it takes. */
export function complaint(wire: WireName, body: Body): string | undefined {
  if (typeof body['model'] !== 'string' || body['model'] === '') return 'model: field required';
  const list = body[wire === 'responses' ? 'input' : 'messages'];
  if (!Array.isArray(list) || list.length === 0) return 'messages: at least one message is required';
  const format = answerFormat(wire, body);
  if (format?.['strict'] === true || (wire === 'messages' && format !== undefined)) {
    const problem = strictProblem(format['schema'], 'schema');
    if (problem !== undefined) return problem;
  }
  return wire === 'messages' ? anthropicComplaint(body) : unansweredCalls(wire, list as Body[]);
}

function answerFormat(wire: WireName, body: Body): Body | undefined {
  if (wire === 'responses') return at(body, 'text', 'format');
  if (wire === 'chat') return at(body, 'response_format', 'json_schema');
  return at(body, 'output_config', 'format');
}

/** The rules of strict mode: every object closed, every key required, the root an object. */
function strictProblem(schema: unknown, path: string): string | undefined {
  if (typeof schema !== 'object' || schema === null) return `${path}: must be a schema`;
  const {
    type,
    properties = {},
    required = [],
    additionalProperties,
    items,
    anyOf = [],
  } = schema as Record<string, never>;
  if (path === 'schema' && type !== 'object') return 'schema: the root must be an object';
  if (type === 'object') {
    if (additionalProperties !== false) return `${path}: additionalProperties must be false`;
    const loose = Object.keys(properties).find((key) => !(required as string[]).includes(key));
    if (loose !== undefined) return `${path}.${loose}: every key must be required`;
  }
  const inner = [
    ...Object.entries(properties),
    ...(items === undefined ? [] : [['items', items]]),
    ...Object.entries(anyOf),
  ];
  for (const [key, value] of inner as [string, unknown][]) {
    const problem = strictProblem(value, `${path}.${key}`);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function anthropicComplaint(body: Body): string | undefined {
  if (typeof body['max_tokens'] !== 'number') return 'max_tokens: field required';
  if ('temperature' in body) return 'temperature: not supported by this model';
  const breakpoints = JSON.stringify(body).split('"cache_control"').length - 1;
  if (breakpoints > 4) return 'A maximum of 4 blocks with cache_control may be provided.';
  if (FORCED.includes(String(at(body, 'tool_choice')?.['type'])))
    return 'tool_choice: forced tool use is not supported for this model';
  let asked: string[] = [];
  for (const { role, content } of body['messages'] as { role: string; content: string | Body[] }[]) {
    const blocks = typeof content === 'string' ? [{ type: 'text', text: content }] : content;
    if (blocks.length === 0 || blocks.some((block) => block['text'] === ''))
      return 'messages: text content blocks must be non-empty';
    const answered = blocks
      .filter((block) => block['type'] === 'tool_result')
      .map((block) => String(block['tool_use_id']));
    if (asked.some((id) => !answered.includes(id)))
      return 'messages: tool_use ids were found without tool_result blocks';
    if (answered.some((id) => !asked.includes(id)))
      return 'messages: unexpected tool_use_id in a tool_result block';
    asked =
      role === 'assistant'
        ? blocks.filter((block) => block['type'] === 'tool_use').map((block) => String(block['id']))
        : [];
  }
  return undefined;
}

function unansweredCalls(wire: WireName, list: readonly Body[]): string | undefined {
  const asked = new Set<string>();
  const answered = new Set<string>();
  for (const item of list) {
    if (wire === 'responses') {
      if (item['type'] === 'function_call') asked.add(String(item['call_id']));
      if (item['type'] === 'function_call_output') answered.add(String(item['call_id']));
    } else {
      for (const call of (item['tool_calls'] ?? []) as Body[]) asked.add(String(call['id']));
      if (item['role'] === 'tool') answered.add(String(item['tool_call_id']));
    }
  }
  const missing = [...asked].find((id) => !answered.has(id));
  const stray = [...answered].find((id) => !asked.has(id));
  if (missing !== undefined) return `No tool output found for call ${missing}`;
  return stray === undefined ? undefined : `No tool call found for output ${stray}`;
}

function at(body: Body, ...keys: string[]): Body | undefined {
  const value = keys.reduce<unknown>((from, key) => (from as Body | undefined)?.[key], body);
  return value as Body | undefined;
}
