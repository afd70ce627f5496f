import { execFile } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { Environment } from '../../config';
import type { Credentials } from './unprivileged';

const DEFAULT_PATH = '/usr/local/bin:/usr/bin:/bin';

/** The search path, or a usual one where there is none. */
export function pathOf(environment: Environment): string {
  return environment['PATH'] || DEFAULT_PATH;
}

/** Finds an executable file on the search path. */
export function findOnPath(name: string, environment: Environment): string | null {
  for (const folder of pathOf(environment).split(delimiter)) {
    const candidate = join(folder, name);
    if (folder !== '' && isExecutable(candidate)) return candidate;
  }
  return null;
}

/** True for a file that this process may execute. */
export function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Runs a program to its end and returns what it printed; null when it cannot run or fails. */
export function outputOf(
  command: string,
  args: readonly string[],
  options: {
    readonly user?: Credentials | null;
    readonly timeoutMs?: number;
    readonly environment?: Environment;
  } = {},
): Promise<string | null> {
  return new Promise((resolve) => {
    const limits = { timeout: options.timeoutMs ?? 20_000, cwd: '/', maxBuffer: 10 * 1024 * 1024 };
    const env = options.environment === undefined ? {} : { env: options.environment };
    try {
      execFile(command, [...args], { ...limits, ...env, ...options.user }, (error, stdout) =>
        resolve(error === null ? stdout : null),
      );
    } catch {
      resolve(null);
    }
  });
}
