import { AppError } from '../../protocol/failures';
import { fileRead } from './files/file-read';
import { httpFetch } from './http/http-fetch';
import { httpSend, httpSendIdempotent } from './http/http-send';
import { jsonQuery } from './json/json-query';
import { calculator } from './text/calculator';
import { contextRead } from './text/context-read';
import { date } from './text/date';
import type { Tool } from './tool';

/** Every built-in tool. Agents choose by name. */
const TOOLS: readonly Tool[] = [
  calculator,
  date,
  contextRead,
  jsonQuery,
  fileRead,
  httpFetch,
  httpSend,
  httpSendIdempotent,
];
const BY_NAME: ReadonlyMap<string, Tool> = new Map(TOOLS.map((tool) => [tool.name, tool]));

export const TOOL_NAMES: readonly string[] = [...BY_NAME.keys()];

/** What an agent gets that names no tools: what reads and computes within the run, and reaches nothing beyond it. */
export const DEFAULT_TOOLS: readonly string[] = [calculator, date, contextRead, jsonQuery].map(
  ({ name }) => name,
);

/** The tools of these names, each once. Throws INPUT_INVALID where there is no such tool. */
export function toolsNamed(names: readonly string[]): readonly Tool[] {
  return [...new Set(names)].map((name) => {
    const tool = BY_NAME.get(name);
    if (tool !== undefined) return tool;
    throw new AppError('INPUT_INVALID', `There is no tool "${name}"; there are ${TOOL_NAMES.join(', ')}`);
  });
}
