import { readdir, realpath, stat } from 'node:fs/promises';
import { extname, join, resolve } from 'node:path';
import type { AgentManifest } from '../protocol/agent';
import { failureLine, wordsOf } from '../core/failure-line';
import { inAgentScope } from './agent-scope';
import type { AgentClass } from './base-agent';
import { agentOf, notLoaded } from './inspect-module';

/** Where to look for agents. */
export interface LoadOptions {
  /** Scanned in this order; where two agents have one name, the first is kept. */
  readonly folders: readonly string[];
  /** Files that are loaded; `.ts` only where `require` understands it, as under Jest. */
  readonly extensions?: readonly string[];
}

/** An agent ready to run. */
export interface LoadedAgent {
  readonly manifest: AgentManifest;
  readonly agentClass: AgentClass;
  readonly file: string;
}

/** A file that holds no usable agent, and why, in one line. */
export interface LoadProblem {
  readonly file: string;
  readonly reason: string;
}

export interface LoadedAgents {
  readonly agents: ReadonlyMap<string, LoadedAgent>;
  readonly problems: readonly LoadProblem[];
}

const EXTENSIONS = ['.js', '.cjs', '.mjs'];
/** Of a reason: people read one line of it. */
const REASON_CHARS = 500;
const SKIPPED_FOLDERS = ['tools', 'node_modules'];

/** Loads every agent of the folders. A bad one is reported by file and reason and never stops the others. */
export async function loadAgents({ folders, extensions = EXTENSIONS }: LoadOptions): Promise<LoadedAgents> {
  const agents = new Map<string, LoadedAgent>();
  const problems: LoadProblem[] = [];
  const files = new Set<string>();
  for (const folder of folders) await findFiles(resolve(folder), extensions, { files, problems });
  for (const file of files) {
    try {
      const loaded = loadFile(file, agents);
      if (loaded !== undefined) agents.set(loaded.manifest.name, loaded);
    } catch (error) {
      problems.push({ file, reason: oneLine(error) });
    }
  }
  return { agents, problems };
}

function loadFile(file: string, agents: ReadonlyMap<string, LoadedAgent>): LoadedAgent | undefined {
  const found = agentOf(requireFile(file));
  if (found === undefined) return undefined;
  const earlier = agents.get(found.manifest.name);
  // An index that exports another file's agent again holds no second one.
  if (earlier?.agentClass === found.agentClass) return undefined;
  if (earlier !== undefined) {
    throw notLoaded(`there is already an agent ${found.manifest.name} in ${earlier.file}`);
  }
  return { ...found, file };
}

function requireFile(file: string): unknown {
  try {
    return inAgentScope({ file }, () => require(file) as unknown);
  } catch (error) {
    throw notLoaded(`cannot be loaded: ${oneLine(error)}${lineOf(error, file)}`);
  }
}

/** The line of a syntax error, which V8 tells only at the head of its stack. */
function lineOf(error: unknown, file: string): string {
  const stack = error instanceof Error ? wordsOf(error.stack) : '';
  const line = stack.startsWith(`${file}:`) ? /^:(\d+)/.exec(stack.slice(file.length))?.[1] : undefined;
  return line === undefined ? '' : ` (line ${line})`;
}

interface Found {
  readonly files: Set<string>;
  readonly problems: LoadProblem[];
}

/** Adds the files that may hold an agent, each by its one real path; what cannot be read is a problem of its own. */
async function findFiles(folder: string, extensions: readonly string[], found: Found): Promise<void> {
  const entries = await tried(
    () => readdir(folder, { withFileTypes: true }),
    (reason) => found.problems.push({ file: folder, reason: `cannot read this folder of agents: ${reason}` }),
  );
  for (const entry of (entries ?? []).toSorted((one, other) => (one.name < other.name ? -1 : 1))) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      const skipped = SKIPPED_FOLDERS.includes(entry.name) || entry.name.startsWith('.');
      if (!skipped) await findFiles(path, extensions, found);
    } else if (extensions.includes(extname(entry.name)) && !entry.name.endsWith('.d.ts')) {
      const file = await tried(
        () => realFile(path),
        (reason) => found.problems.push({ file: path, reason: `cannot be loaded: ${reason}` }),
      );
      if (file !== undefined) found.files.add(file);
    }
  }
}

async function tried<T>(work: () => Promise<T>, failed: (reason: string) => void): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    failed(oneLine(error));
    return undefined;
  }
}

/** Reading a pipe would not end. */
async function realFile(path: string): Promise<string> {
  const file = await realpath(path);
  if (!(await stat(file)).isFile()) throw notLoaded('it is no file');
  return file;
}

function oneLine(error: unknown): string {
  return failureLine(wordsOf(error), REASON_CHARS);
}
