import { AgentManifest } from '../protocol/agent';
import { AppError } from '../protocol/failures';
import { LIMITS } from '../protocol/limits';
import { unstorable } from '../core/text';
import { AGENT_BRAND, type AgentClass } from './base-agent';
import { describeAgent } from './describe';

type AnyClass = (abstract new (...given: never[]) => object) & Readonly<Record<PropertyKey, unknown>>;

/** The agent a module exports; undefined where it exports none. Throws AGENT_NOT_LOADED where it exports a bad one. */
export function agentOf(module: unknown): { manifest: AgentManifest; agentClass: AgentClass } | undefined {
  const classes = new Map<AnyClass, string>();
  for (const [name, value] of exportsOf(module)) {
    if (isAgentClass(value)) classes.set(value, value.name || name);
    else if (looksLikeAgent(name, value)) throw notLoaded(`its export ${name} does not extend BaseAgent`);
  }
  const [found] = classes.keys();
  if (found === undefined) return undefined;
  if (classes.size > 1) {
    throw notLoaded(`exports ${classes.size} agents (${[...classes.values()].join(', ')}); a file holds one`);
  }
  return { manifest: manifestOf(found), agentClass: found as unknown as AgentClass };
}

function exportsOf(module: unknown): [string, unknown][] {
  if (typeof module === 'function') return [[module.name || 'module.exports', module]];
  return typeof module === 'object' && module !== null ? Object.entries(module) : [];
}

/** A class that extends some copy of BaseAgent, and is not BaseAgent itself. */
function isAgentClass(value: unknown): value is AnyClass {
  return typeof value === 'function' && AGENT_BRAND in value && !Object.hasOwn(value, AGENT_BRAND);
}

function looksLikeAgent(name: string, value: unknown): boolean {
  if (typeof value === 'object' && value !== null) return 'manifest' in value;
  if (typeof value !== 'function' || AGENT_BRAND in value) return false;
  if (Object.hasOwn(value, 'manifest')) return true;
  return (name.endsWith('Agent') || value.name.endsWith('Agent')) && isClass(value);
}

/** Functions such as `describeAgent` end in Agent as well. */
function isClass(value: object): boolean {
  const { prototype } = value as { readonly prototype?: unknown };
  return (
    /^class\b/.test(Function.prototype.toString.call(value)) ||
    (prototype instanceof Object && Object.hasOwn(prototype, 'execute'))
  );
}

function manifestOf(agentClass: AnyClass): AgentManifest {
  const given = agentClass['manifest'];
  if (given === undefined) throw notLoaded(`${agentClass.name} has no static manifest`);
  const parsed = AgentManifest.safeParse(given);
  if (!parsed.success) {
    const issues = parsed.error.issues.map(
      ({ path, message }) => `${['manifest', ...path].join('.')} ${message}`,
    );
    throw notLoaded(issues.join('; '));
  }
  const prototype = agentClass.prototype as { execute?: unknown };
  if (typeof prototype.execute !== 'function') throw notLoaded(`${agentClass.name} has no method execute`);
  if (agentClass.length > 0) throw notLoaded(`the constructor of ${agentClass.name} must take no arguments`);
  checkDescription(parsed.data);
  return parsed.data;
}

/** What the catalogue will be told must be something it can keep: found out now, where it is this agent's problem alone. */
function checkDescription(manifest: AgentManifest): void {
  const text = JSON.stringify(describeAgent(manifest));
  const bytes = Buffer.byteLength(text);
  if (bytes > LIMITS.manifestBytes)
    throw notLoaded(`its manifest and schemas have ${bytes} bytes; the limit is ${LIMITS.manifestBytes}`);
  const character = unstorable(text);
  if (character !== undefined) throw notLoaded(`its manifest holds ${character}`);
}

/** A reason for the loader's report. */
export function notLoaded(reason: string): AppError {
  return new AppError('AGENT_NOT_LOADED', reason);
}
