import { existsSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(__dirname, '..', '..');

/** A file of the build, by its path in lib: beside the compiled code, or in lib where the sources themselves run. */
export function builtPath(...path: readonly string[]): string {
  const beside = join(ROOT, ...path);
  return existsSync(beside) ? beside : join(ROOT, 'lib', ...path);
}
